"""What is asked for: the builder, the checks before anything is sent, and the sound.

It imports only the words at the top of the package, and knows neither a gateway's replies nor a loop.
Start to read at `builder.RequestBuilder`; `checks.check` holds the rules, `audio` measures the sound.
"""
