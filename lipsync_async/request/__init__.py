"""The request: how it is built, how it is checked before it is sent, and where its sound comes from.

It imports only the modules at the top of the package, and no network and no event loop.
Start to read at `builder.RequestBuilder`; `checks` has the rules, and `audio` reads the sound.
"""
