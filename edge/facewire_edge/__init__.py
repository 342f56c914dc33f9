"""The half that runs on the device: camera to messages. It also owns the contract that train and convert import."""
