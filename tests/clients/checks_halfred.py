"""Halfred's own client."""

import time

from halfred import Halfred, HalfredAPIError, HalfredAuthenticationError
from servers import Checks, Server

HELLO = [{"role": "user", "content": "Hello!"}]


class HalfredClient(Checks):
    name = "halfred"

    def client(self, key=None, server=None, path="/v1"):
        server = server or self.server
        return Halfred(api_key=server.demo["key"] if key is None else key, base_url=server.url + path)

    def refused(self, client, kind=HalfredAPIError):
        with self.assertRaises(HalfredAPIError) as raised:
            client.models.list()
        self.assertIs(type(raised.exception), kind)
        response = raised.exception.response
        return response.status_code, self.error(response.headers, response.json())["message"]

    def test_models_are_listed(self):
        models = self.client().models.list()
        self.assertEqual([model.id for model in models.data][:3], ["lite", "standard", "deepthink"])
        self.assertEqual(models.object, "list")

    def test_the_base_url_may_end_with_a_slash_as_documented(self):
        self.assertTrue(self.client(path="/v1/").models.list().data)

    def test_every_request_says_json_and_a_get_without_body_passes(self):
        client = self.client()
        self.assertEqual(client.session.headers["Content-Type"], "application/json")
        self.assertTrue(client.models.list().data)

    def test_a_chat_is_completed(self):
        chat = self.client().chat.completions.create(model="lite", messages=HELLO)
        self.assertEqual(chat.choices[0].message.role, "assistant")
        self.assertTrue(chat.choices[0].message.content)
        self.assertEqual((chat.model, chat.choices[0].finish_reason), ("lite", "stop"))
        self.assertGreater(chat.usage.total_tokens, 0)

    def test_a_chat_takes_every_parameter_of_the_readme(self):
        chat = self.client().chat.completions.create(
            model="lite",
            messages=[{"role": "system", "content": "You are a helpful assistant."}, *HELLO],
            temperature=0.7,
            max_tokens=100,
            max_completion_tokens=50,
            response_format={"type": "json_object"},
            stream=False,
        )
        self.assertTrue(chat.choices[0].message.content)

    def test_null_is_as_good_as_absent(self):
        self.assertTrue(self.client().chat.completions.create(model="lite", messages=HELLO, top_p=None, seed=None).id)

    def test_a_wrong_key_is_the_typed_error_with_the_documented_message(self):
        told = self.refused(self.client("halfred_" + "x" * 28), HalfredAuthenticationError)
        self.assertEqual(told, (401, "Invalid API key"))

    def test_a_revoked_key_is_the_typed_error_with_the_documented_message(self):
        told = self.refused(self.client(self.demo["revoked"]), HalfredAuthenticationError)
        self.assertEqual(told, (401, "API key not found"))

    def test_an_empty_key_is_the_typed_error(self):
        told = self.refused(self.client(""), HalfredAuthenticationError)
        self.assertEqual(told, (401, "Authentication failed"))

    def test_no_key_is_the_typed_error(self):
        client = self.client()
        del client.session.headers["Authorization"]
        self.assertEqual(self.refused(client, HalfredAuthenticationError), (401, "Authentication failed"))

    def test_an_unknown_field_is_422_with_the_message_of_the_server(self):
        with self.assertRaises(HalfredAPIError) as raised:
            self.client().chat.completions.create(model="lite", messages=HELLO, temprature=1)
        self.assertEqual(raised.exception.status_code, 422)
        response = raised.exception.response
        self.assertIn(self.error(response.headers, response.json())["message"], str(raised.exception))

    def test_an_unknown_path_is_404_with_the_message_of_the_server(self):
        with self.assertRaises(HalfredAPIError) as raised:
            self.client(path="/v2").models.list()
        self.assertEqual(raised.exception.status_code, 404)
        response = raised.exception.response
        self.assertIn(self.error(response.headers, response.json())["message"], str(raised.exception))

    def test_another_project_is_403_with_the_message_of_the_server(self):
        with self.assertRaises(HalfredAPIError) as raised:
            self.client()._request("GET", "/projects/proj_limited/key")
        self.assertEqual(raised.exception.status_code, 403)
        response = raised.exception.response
        self.assertIn(self.error(response.headers, response.json())["message"], str(raised.exception))

    def test_a_used_up_limit_is_429_and_waiting_as_told_is_enough(self):
        client = self.client(self.demo["limited"])
        with self.assertRaises(HalfredAPIError) as raised:
            for _ in range(50):
                client.models.list()
        self.assertEqual(raised.exception.status_code, 429)
        response = raised.exception.response
        self.error(response.headers, response.json())
        time.sleep(int(response.headers["Retry-After"]))
        self.assertTrue(client.models.list().data)

    def test_a_replaced_key_fails_at_once_and_the_new_one_is_good(self):
        with Server("halfred") as server:
            old = self.client(server=server)
            self.assertTrue(old.models.list().data)
            answer = old._request("POST", f"/projects/{server.demo['project']}/key/replace")
            self.assertEqual(self.refused(old, HalfredAuthenticationError), (401, "API key not found"))
            self.assertTrue(self.client(answer["key"], server).models.list().data)
