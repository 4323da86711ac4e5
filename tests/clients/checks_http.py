"""Checks every server for behaviour on which every client relies, with `requests`."""

import re
import time

import requests
from requests.adapters import HTTPAdapter
from servers import Checks, Server
from urllib3.util import Retry


class Common:
    """Checks for every server."""

    header = None
    good = "read"
    # Bad credentials that are not in the demo.
    strangers = ["nonsense", "ak_" + "x" * 40, "halfred_" + "x" * 28, "x" * 2000, "schlüssel".encode("latin-1"), "a b"]

    @classmethod
    def with_key(cls, key):
        """Returns the header for this key. `None` means no header."""
        if key is None:
            return {}
        bearer = cls.header == "Authorization"
        if isinstance(key, bytes):
            return {cls.header: b"Bearer " + key if bearer else key}
        key = cls.demo.get(key, key)
        return {cls.header: f"Bearer {key}" if bearer else key}

    @classmethod
    def ask(cls, method, path, key=None, server=None, headers=(), **options):
        headers = {**cls.with_key(key), **dict(headers)}
        url = (server or cls.server).url + path
        return requests.request(method, url, headers=headers, allow_redirects=False, timeout=60, **options)

    @classmethod
    def models(cls, key, **options):
        return cls.ask("GET", "/v1/models", key, **options)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        bad = {"expired", "paused", "deactivated", "revoked", "suspended"} & cls.demo.keys()
        cls.unauthenticated = {key: cls.models(key) for key in [None, *sorted(bad), *cls.strangers]}
        basic = {"Authorization": "Basic dXNlcjpwYXNzd29yZA=="}
        cls.unauthenticated["basic"] = cls.models(None, headers=basic)
        cls.errors = {
            **cls.unauthenticated,
            "no such path": cls.ask("GET", "/v1/nothing", cls.good),
            "no such method": cls.ask("DELETE", "/v1/models", cls.good),
            **cls.refused(),
        }
        for _ in range(50):
            limited = cls.models("limited")
            if limited.status_code != 200:
                break
        cls.limited = cls.errors["limit"] = limited

    @classmethod
    def refused(cls):
        """Returns further errors of this server, by name."""
        return {}

    def test_errors_are_objects_with_a_code_and_a_message(self):
        for what, response in self.errors.items():
            with self.subTest(what):
                self.assertEqual(response.headers["content-type"].split(";")[0], "application/json")
                self.error(response.headers, response.json())

    def test_errors_have_the_status_that_clients_make_types_of(self):
        statuses = {"no such path": 404, "no such method": 405, "no permission": 403, "unknown field": 422, "limit": 429}
        told = {what: self.errors[what].status_code for what in statuses if what in self.errors}
        self.assertEqual(told, {what: status for what, status in statuses.items() if what in told})

    def test_authentication_failures_are_401_with_a_challenge(self):
        for what, response in self.unauthenticated.items():
            with self.subTest(what):
                self.assertEqual(response.status_code, 401)
                self.assertTrue(response.headers["www-authenticate"])

    def test_authentication_failures_are_never_retried(self):
        """Clients retry after 408, 409, 429 and 5xx, so a bad credential must not be answered with one of them."""
        credentials = ["", ",", "Bearer", "a,b", "a" * 9000, b"\xff\xfe"]
        for value in credentials:
            response = self.ask("GET", "/v1/models", headers={self.header: value})
            with self.subTest(value[:20]):
                self.assertIn(response.status_code, [400, 401, 403, 431])
                self.error(response.headers, response.json())

    def test_an_empty_key_is_as_good_as_absent(self):
        absent = self.unauthenticated[None].json()["error"]["code"]
        for empty in [self.ask("GET", "/v1/models", headers={self.header: ""}), self.models("")]:
            told = empty.status_code, empty.json()["error"]["code"]
            with self.subTest(empty.request.headers[self.header]):
                self.assertEqual(told, (401, absent))

    def test_every_response_has_a_request_id_of_its_own(self):
        responses = [*self.errors.values(), *(self.models(self.good) for _ in range(2)), self.ask("GET", "/health")]
        ids = [response.headers["x-request-id"] for response in responses]
        self.assertTrue(all(ids))
        self.assertEqual(len(set(ids)), len(ids))

    def test_a_get_that_says_json_passes_without_a_body(self):
        self.assertEqual(self.models(self.good, headers={"Content-Type": "application/json"}).status_code, 200)

    def test_nothing_is_redirected(self):
        for path in ["/", "/v1", "/v1/", "/v1/models/", "//v1/models", "/V1/models", "/v1/models?limit=1", "/health/"]:
            with self.subTest(path):
                response = self.ask("GET", path, self.good)
                self.assertNotEqual(response.status_code // 100, 3)
                self.assertNotIn("location", response.headers)

    def test_the_reset_is_told_in_unix_seconds(self):
        for response in [self.models(self.good), self.limited]:
            told = response.headers["x-ratelimit-reset"]
            self.assertRegex(told, r"\A[0-9]+\Z")
            self.assertTrue(time.time() - 60 <= int(told) <= time.time() + 24 * 3600 + 60, told)

    def test_what_is_left_of_the_limit_is_told(self):
        first, second = (self.models(self.good).headers for _ in range(2))
        for headers in [first, second, self.limited.headers]:
            self.assertGreaterEqual(int(headers["x-ratelimit-limit"]), int(headers["x-ratelimit-remaining"]))
        self.assertEqual(self.limited.headers["x-ratelimit-remaining"], "0")

    def test_retry_after_is_in_whole_seconds(self):
        self.assertEqual(self.limited.status_code, 429)
        self.assertRegex(self.limited.headers["retry-after"], r"\A[1-9][0-9]*\Z")

    def test_urllib3_waits_as_told_and_succeeds(self):
        with Server(self.name) as server:
            key = server.demo["limited"]
            session = requests.Session()
            policy = Retry(total=1, status_forcelist=[429], respect_retry_after_header=True, raise_on_status=False)
            session.mount("http://", HTTPAdapter(max_retries=policy))
            # While quota is left, the server answers without a wait.
            for _ in range(50):
                started = time.monotonic()
                response = session.get(f"{server.url}/v1/models", headers=self.with_key(key), timeout=60)
                self.assertEqual(response.status_code, 200)
                if response.raw.retries.history:
                    break
            self.assertEqual([retry.status for retry in response.raw.retries.history], [429])
            self.assertGreaterEqual(time.monotonic() - started, 1)


class HttpAtHalfred(Common, Checks):
    name = "halfred"
    header = "Authorization"
    good = "key"
    chat = {"model": "lite", "messages": [{"role": "user", "content": "Hello!"}]}

    @classmethod
    def refused(cls):
        path = "/v1/chat/completions"
        return {
            "unknown field": cls.ask("POST", path, "key", json={**cls.chat, "temprature": 1}),
            "no permission": cls.ask("GET", "/v1/projects/proj_limited/key", "key"),
            "no JSON": cls.ask("POST", path, "key", data="{", headers={"Content-Type": "application/json"}),
            "another type": cls.ask("POST", path, "key", data="a=b", headers={"Content-Type": "text/plain"}),
        }

    def test_a_key_is_replaced_by_a_post_of_length_zero(self):
        with Server(self.name) as server:
            path = f"/v1/projects/{server.demo['project']}/key/replace"
            response = self.ask("POST", path, server.demo["key"], server, headers={"Content-Length": "0"})
            self.assertEqual(response.request.headers["Content-Length"], "0")
            self.assertEqual(response.status_code, 200)
            self.assertEqual(self.models(response.json()["key"], server=server).status_code, 200)


class HttpAtAiApi(Common, Checks):
    name = "ai_api"
    header = "Authorization"

    @classmethod
    def refused(cls):
        return {
            "unknown field": cls.ask("POST", "/v1/generate", "read", json={"prompt": "", "model": "", "x": 1}),
            "no permission": cls.ask("POST", "/v1/resources", "read", json={"name": "x"}),
            "no JSON": cls.ask("POST", "/v1/generate", "read", data="{", headers={"Content-Type": "application/json"}),
        }

    def created(self):
        response = self.ask("POST", "/v1/keys", "admin", json={"name": "ci", "permissions": ["read"]})
        self.assertEqual(response.status_code, 201)
        return response.json()["data"]

    def test_a_key_is_rotated_by_a_post_of_length_zero(self):
        response = self.ask("POST", f"/v1/keys/{self.created()['id']}/rotate", "admin")
        self.assertEqual((response.request.headers["Content-Length"], response.status_code), ("0", 201))
        self.assertEqual(self.models(response.json()["data"]["key"]).status_code, 200)

    def test_a_delete_is_answered_with_json(self):
        key = self.created()
        response = self.ask("DELETE", f"/v1/keys/{key['id']}", "admin", headers={"Content-Type": "application/json"})
        self.assertEqual((response.status_code, response.json()["success"]), (200, True))
        self.assertEqual(self.models(key["key"]).status_code, 401)


class HttpAtAitronos(Common, Checks):
    name = "aitronos"
    header = "X-API-Key"

    @classmethod
    def body(cls, organization="organization", **more):
        inputs = [{"role": "user", "content": "Hello!"}]
        return {"organization_id": cls.demo[organization], "model": "gpt-4o", "inputs": inputs, **more}

    @classmethod
    def refused(cls):
        path = "/v1/model/response"
        return {
            "unknown field": cls.ask("POST", path, "read", json=cls.body(temprature=1)),
            "no permission": cls.ask("POST", path, "read", json=cls.body("other_organization")),
            "no scope": cls.models("webhook"),
            "no JSON": cls.ask("POST", path, "read", data="{", headers={"Content-Type": "application/json"}),
        }


class TokenCommon(Common):
    """A server with keys and tokens: the token decides."""

    @classmethod
    def refused(cls):
        return {"no permission": cls.models("webhook"), "expired token": cls.models(None, headers=cls.token("expired_"))}

    @classmethod
    def token(cls, expired=""):
        return {"Authorization": f"Bearer {cls.demo[f'{expired}token']}"}

    def me(self, key, expired=""):
        response = self.ask("GET", "/v1/me", key, headers=self.token(expired))
        return response.status_code, response.json().get("method")

    def test_key_and_token_together_are_normal_and_the_token_decides(self):
        alone = self.ask("GET", "/v1/me", headers=self.token()).json()["method"]
        self.assertNotEqual(alone, self.ask("GET", "/v1/me", "read").json()["method"])
        for key in ["read", "nonsense", "expired", "suspended"]:
            self.assertEqual(self.me(key), (200, alone), key)
        self.assertEqual(self.me("read", "expired_")[0], 401)

    def test_a_token_with_an_empty_key_is_a_token(self):
        self.assertEqual(self.me("")[0], 200)


class HttpAtFreddyV0(TokenCommon, Checks):
    name = "freddy_v0"
    header = "api-key"

    def test_a_key_is_exchanged_by_a_post_of_length_zero(self):
        response = self.ask("POST", "/v1/auth/token", "read")
        self.assertEqual((response.request.headers["Content-Length"], response.status_code), ("0", 200))
        token = {"Authorization": f"Bearer {response.json()['access_token']}"}
        self.assertEqual(self.models(None, headers=token).status_code, 200)


class HttpAtFreddy(TokenCommon, Checks):
    name = "freddy"
    header = "X-API-Key"

    @classmethod
    def refused(cls):
        return {
            **super().refused(),
            "unknown field": cls.keys("POST", json={"key_name": "x", "scope": []}),
            "no such key": cls.keys("GET", "/key_nobody"),
            "another organization": cls.ask("GET", f"/v1/organizations/{cls.demo['other_organization']}", "read"),
            "wrong password": cls.ask("POST", "/v1/auth/login", json={"email": "a@b.example", "password": "x"}),
        }

    @classmethod
    def keys(cls, method, path="", **options):
        path = f"/v1/organizations/{cls.demo['organization']}/api-keys{path}"
        return cls.ask(method, path, "admin", **options)

    def created(self, **fields):
        response = self.keys("POST", json={"key_name": "ci", **fields})
        self.assertEqual(response.status_code, 201, response.text)
        return response.json()

    def test_keys_are_listed_by_page_as_documented(self):
        first, second = (self.keys("GET", params={"page": page, "page_size": 2}).json() for page in [1, 2])
        self.assertEqual([len(page["api_keys"]) for page in [first, second]], [2, 2])
        self.assertEqual(len({key["id"] for page in [first, second] for key in page["api_keys"]}), 4)

    def test_a_key_is_created_with_every_documented_field(self):
        fields = {"scopes": ["read"], "expires_at": "2999-01-01T00:00:00Z", "usage_limit_chf": 500.0}
        new = self.created(**fields, metadata={"deletable": False})
        self.assertEqual((new["scopes"], new["expires_at"]), (["read"], "2999-01-01T00:00:00Z"))
        self.assertEqual(self.models(new["key"]).status_code, 200)

    def test_null_is_as_good_as_absent(self):
        new = self.created(scopes=None, expires_at=None, usage_limit_chf=None, metadata=None)
        nothing = dict.fromkeys(["key_name", "scopes", "expires_at", "usage_limit_chf", "metadata"])
        changed = self.keys("PATCH", f"/{new['id']}", json=nothing)
        self.assertEqual(changed.status_code, 200)
        self.assertEqual(changed.json()["key_name"], "ci")

    def test_every_action_takes_a_post_of_length_zero(self):
        new = self.created()
        for action in ["deactivate", "activate", "pause", "unpause", "rotate"]:
            with self.subTest(action):
                response = self.keys("POST", f"/{new['id']}/{action}")
                self.assertEqual((response.request.headers["Content-Length"], response.status_code), ("0", 200))

    def test_every_action_takes_a_post_that_says_json_without_a_body(self):
        new = self.created()
        for action in ["deactivate", "activate", "pause", "unpause", "rotate"]:
            with self.subTest(action):
                headers = {"Content-Type": "application/json"}
                self.assertEqual(self.keys("POST", f"/{new['id']}/{action}", headers=headers).status_code, 200)

    def test_a_delete_is_answered_with_json(self):
        new = self.created()
        response = self.keys("DELETE", f"/{new['id']}")
        self.assertEqual((response.status_code, response.json()["success"]), (200, True))
        self.assertTrue(re.match("application/json", response.headers["content-type"]))
        self.assertEqual(self.models(new["key"]).status_code, 401)
