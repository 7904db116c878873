"""The nouns every part of Palimpsest speaks: frozen data that imports nothing but pydantic.

``request``    what may be asked          ``methods``    the parameters of every method
``report``     what is answered           ``status``     where an audit stands
``catalogue``  what a deployment offers   ``problems``   why something was refused
"""
