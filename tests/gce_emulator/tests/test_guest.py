# SPDX-License-Identifier: Apache-2.0
"""Which keys apply, by the rules of Google's guest agent."""
import datetime
import unittest

from gce_emulator import guest

NOW = datetime.datetime(2026, 11, 24, tzinfo=datetime.timezone.utc)
KEY = "ssh-ed25519 AAAA{} c"


def users(instance, project=None):
    decision = guest.decide(instance, project or {}, NOW)
    return {user: [k.split()[1] for k in keys] for user, keys in decision.users.items()}


def line(user, name):
    return f"{user}:ssh-ed25519 {name} c"


class WhichApply(unittest.TestCase):
    PROJECT = {"ssh-keys": line("p", "new"), "sshKeys": line("o", "old")}

    def test_instance_and_both_of_the_project(self):
        self.assertEqual(users({"ssh-keys": line("i", "own")}, self.PROJECT),
                         {"i": ["own"], "p": ["new"], "o": ["old"]})

    def test_legacy_keys_of_the_instance_hide_the_project(self):
        self.assertEqual(users({"sshKeys": line("l", "leg"), "ssh-keys": line("i", "own")},
                               self.PROJECT), {"i": ["own"], "l": ["leg"]})

    def test_block_project_ssh_keys(self):
        for word, blocked in (("TRUE", True), ("true", True), ("1", True), ("FALSE", False),
                              ("yes", False)):
            instance = {"ssh-keys": line("i", "own"), "block-project-ssh-keys": word}
            got = users(instance, self.PROJECT)
            self.assertEqual("p" not in got, blocked, word)

    def test_os_login_drops_all_and_the_instance_decides(self):
        keys = {"ssh-keys": line("i", "own")}
        self.assertEqual(users({**keys, "enable-oslogin": "TRUE"}, self.PROJECT), {})
        self.assertEqual(users(keys, {**self.PROJECT, "enable-oslogin": "TRUE"}), {})
        self.assertEqual(users({**keys, "enable-oslogin": "FALSE"}, {"enable-oslogin": "TRUE"}),
                         {"i": ["own"]})

    def test_guest_attributes_switch(self):
        self.assertFalse(guest.wants_guest_attributes({}, {}))
        self.assertTrue(guest.wants_guest_attributes({}, {"enable-guest-attributes": "TRUE"}))
        self.assertFalse(guest.wants_guest_attributes(
            {"enable-guest-attributes": "FALSE"}, {"enable-guest-attributes": "TRUE"}))


class Lines(unittest.TestCase):
    def why(self, text):
        return guest.check_line(text, NOW)[2]

    def test_bad_lines_are_skipped_and_the_rest_used(self):
        for text in ("no colon", ":ssh-rsa AAAA", "u:ssh-rsa", "u:nokey AAAA", "a b:ssh-rsa AAAA"):
            self.assertIsNotNone(self.why(text), text)
        decision = guest.decide({"ssh-keys": "bad\n\n" + line("u", "k") + "\n"}, {}, NOW)
        self.assertEqual(list(decision.users), ["u"])
        self.assertEqual(len(decision.skipped), 1)

    def test_expiry(self):
        form = 'u:ssh-rsa AAAA google-ssh {"userName":"u","expireOn":"%s"}'
        self.assertIsNone(self.why(form % "2026-11-24T00:00:01+0000"))
        self.assertIsNone(self.why(form % "2026-11-24T00:00:01Z"))
        self.assertEqual(self.why(form % "2026-11-23T23:59:59+0000"), "expired")
        self.assertEqual(self.why(form % "2026-11-24T00:59:59+0100"), "expired")
        self.assertIsNotNone(self.why(form % "tomorrow"))
        self.assertIsNotNone(self.why("u:ssh-rsa AAAA google-ssh {"))

    def test_next_change_is_the_first_expiry(self):
        form = 'u:ssh-rsa A{} google-ssh {{"userName":"u","expireOn":"2026-11-24T0{}:00:00+0000"}}'
        text = "\n".join((form.format(1, 3), form.format(2, 2)))
        self.assertEqual(guest.decide({"ssh-keys": text}, {}, NOW).next_change.hour, 2)

    def test_an_authorized_keys_file_keeps_foreign_lines(self):
        first = guest.merge_authorized_keys("mine\n", ["a", "b"])
        self.assertEqual(first, "mine\n# Added by Google\na\n# Added by Google\nb\n")
        self.assertEqual(guest.merge_authorized_keys(first, []), "mine\n")

    def test_host_keys_of_the_three_types_only(self):
        self.assertEqual(guest.host_key_attributes(
            ["ssh-ed25519 AAA c", "ssh-dss BBB c", "ecdsa-sha2-nistp256 CCC"]),
            {"hostkeys/ssh-ed25519": "AAA", "hostkeys/ecdsa-sha2-nistp256": "CCC"})


if __name__ == "__main__":
    unittest.main()
