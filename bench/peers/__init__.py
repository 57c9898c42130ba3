"""What do others store on the same broker and database, and how near is a limit?"""
