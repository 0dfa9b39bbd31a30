"""
Give a model the precision that was asked for, or say why it cannot truthfully be called that.

``stage`` is the run of the first stage, which ``checking`` begins. ``selection`` chooses: as it came,
converted, quantized, or by TensorRT's own flags. ``conversion`` rewrites to fp16 and bf16 (``opset_raising``
where an old opset lacks them): ``narrowing`` gives every value its type, by the ``type_constraints`` of ONNX,
in the ``floats`` there are, with ``bounds`` where types meet and integers are ``out_of_range``. What must not
be rounded is found by ``positions`` (from the ``origins`` of values in their ``flow``), ``squares`` and
``normalization``; ``recurrent`` layers have rules of their own.
``quantize`` makes int8 from ``calibration`` data: ``ranges`` runs it (``entropy`` chooses one), ``levels``
rounds weights, ``insertion`` puts Q/DQ nodes in. ``quantized`` looks at models that bring their own.
"""
