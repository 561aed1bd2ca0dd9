#!/usr/bin/env python3
"""Push from outside: the push service of the tests itself. Needs the package `cryptography`."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402

import parlor  # noqa: E402
import service  # noqa: E402
from alarms import Alarms  # noqa: E402, F401
from doctor import Doctor  # noqa: E402, F401
from shared import Shared  # noqa: E402, F401


class OfTheService(unittest.TestCase):
    def test_the_example_of_rfc_8291_is_decrypted(self):
        private = int.from_bytes(service.decode("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"), "big")
        private = ec.derive_private_key(private, ec.SECP256R1())
        body = service.decode(
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8w"
            "EqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN")
        plain = service.decrypt(private, service.decode("BTBZMqHH6r4Tts7J_aSIgg"), body)
        self.assertEqual(plain, b"When I grow up, I want to be a watermelon")

    def test_the_example_of_rfc_8292_is_checked(self):
        field = ("vapid t=eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1"
                 "MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwD"
                 "Xb1JrErtmysazNjjvW2L9OkSSHzvoD1oA, k=BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5"
                 "aq9ojSwk5Y2EmClBPs")
        claims, _ = service.check_vapid(field, "https://push.example.net", now=1453520000)
        self.assertEqual(claims["sub"], "mailto:push@example.com")
        for origin, now in ("https://push.example.org", 1453520000), ("https://push.example.net", 1453523769):
            with self.assertRaises(AssertionError):
                service.check_vapid(field, origin, now)


if __name__ == "__main__":
    parlor.run_tests("push")
