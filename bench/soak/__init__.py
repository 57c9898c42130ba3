"""Does memory, or anything else of a stage, grow over time?"""
