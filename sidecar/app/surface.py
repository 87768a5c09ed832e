"""stub for first trials"""


class Surface:
    def __init__(self, daemon):
        pass

    def start(self):
        pass

    async def stop(self):
        pass
