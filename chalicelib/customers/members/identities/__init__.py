"""The ids by which WeChat, and others, know a member; each is one member's."""
