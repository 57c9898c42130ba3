"""How long is the time to glass at each load, up to and past what the pipeline stores?"""
