"""What does tracing cost?"""
