"""A stand-in for WeChat's servers, in a process of its own: the mall's real clients talk to it unmodified.

What it does follows the public documents of developers.weixin.qq.com and pay.weixin.qq.com; how it is made to
misbehave is its control API, under /_control.
"""
