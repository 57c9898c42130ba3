"""What does a bad collector cost, and is every span that it did not take counted?"""
