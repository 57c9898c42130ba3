"""Which settings are worth it under a load of yours?"""
