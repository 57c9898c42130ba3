"""What do more replicas and more rows come to, and what does one event take of everything?"""
