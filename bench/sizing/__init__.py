"""What does a rate of events take, by what `bench scaling` measured?"""
