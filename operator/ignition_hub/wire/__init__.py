"""
HTTP as the programs in pods speak it, to the gateway and to the store. Standard library only.

``address`` is where a URL leads and which certificates are believed there, ``tls_stream`` TLS for large
answers, ``token`` who asks, ``response`` what the gateway says, ``deadline`` how long it may take and
``back_off`` how long to pause, ``outcomes`` what an answer that is none means. Fetcher and builder carry this
package beside the contract; what they ask, and what they make of the answers, is their own.
"""
