"""The OpenAI client, with another base URL."""

import asyncio
import inspect

import httpx2
import openai
from openai import AsyncOpenAI, OpenAI
from openai.resources.chat.completions import Completions
from servers import Checks, Server, recorder

HELLO = [{"role": "user", "content": "Hello!"}]
# The client refuses to send a request without a key, unless the header is omitted explicitly.
NO_KEY = {"Authorization": openai.Omit()}


class OpenAIChecks(Checks):
    good = None  # the name of a key
    path = "/v1"

    def client(self, key=None, server=None, **options):
        server = server or self.server
        return OpenAI(api_key=key or server.demo[self.good], base_url=server.url + self.path, **options)

    def told(self, kind, call):
        """Returns the server's error as the client reads it: code and message."""
        with self.assertRaises(openai.APIStatusError) as raised:
            call()
        self.assertIs(type(raised.exception), kind)
        exception = raised.exception
        error = self.error(exception.response.headers, exception.response.json())
        self.assertEqual(exception.body, error)
        self.assertEqual(exception.code, error["code"])
        self.assertEqual(exception.request_id, exception.response.headers["x-request-id"])
        self.assertTrue(str(exception).endswith(error["message"]))
        self.assertEqual(exception.response.history, [])
        return error["code"], error["message"]


class Common:
    """Checks for both servers."""

    def test_models_are_listed(self):
        models = self.client().models.list()
        self.assertTrue(models.data)
        self.assertTrue(all(model.object == "model" and model.id and model.owned_by for model in models))

    def test_models_are_listed_by_the_asynchronous_client(self):
        async def list_often():
            async with AsyncOpenAI(api_key=self.demo[self.good], base_url=self.server.url + self.path) as client:
                return await asyncio.gather(*(client.models.list() for _ in range(5)))

        self.assertEqual([bool(models.data) for models in asyncio.run(list_often())], [True] * 5)

    def test_a_response_has_a_request_id(self):
        self.assertTrue(self.client().models.with_raw_response.list().request_id)

    def test_no_request_is_redirected(self):
        answers = []
        client = self.client(http_client=httpx2.Client(follow_redirects=True, event_hooks=recorder(answers)))
        client.models.list()
        for path in ["/models/", "//models", "/nothing"]:
            with self.assertRaises(openai.APIStatusError):
                client.get(path, cast_to=object)
        self.assertEqual([answer.status_code // 100 for _, answer in answers], [2, 4, 4, 4])

    def test_without_a_key_the_client_sends_nothing(self):
        with self.assertRaises(openai.OpenAIError):
            OpenAI(api_key="", base_url=self.server.url + self.path)

    def test_an_unknown_path_is_404(self):
        self.told(openai.NotFoundError, lambda: self.client().get("/nothing", cast_to=object))

    def test_a_used_up_limit_without_retries_is_429(self):
        with Server(self.name) as server:
            client = self.client(server.demo["limited"], server, max_retries=0)

            def ask_often():
                for _ in range(50):
                    client.models.list()

            self.told(openai.RateLimitError, ask_often)

    def test_a_used_up_limit_is_waited_for_as_told(self):
        with Server(self.name) as server:
            answers = []
            http = httpx2.Client(event_hooks=recorder(answers))
            client = self.client(server.demo["limited"], server, http_client=http)
            hasty = self.client(server.demo["limited"], server, max_retries=0)

            def use_up():
                with self.assertRaises(openai.RateLimitError):
                    for _ in range(50):
                        hasty.models.list()

            def ask():
                self.assertTrue(client.models.list().data)

            self.waits_as_told(use_up, ask, answers)


class OpenAIAtHalfred(Common, OpenAIChecks):
    name = "halfred"
    good = "key"
    path = "/v1/"

    def chat(self, client=None, **parameters):
        return (client or self.client()).chat.completions.create(model="lite", messages=HELLO, **parameters)

    def test_a_chat_is_completed(self):
        chat = self.chat()
        self.assertEqual((chat.object, chat.model), ("chat.completion", "lite"))
        self.assertEqual((chat.choices[0].message.role, chat.choices[0].finish_reason), ("assistant", "stop"))
        self.assertTrue(chat.choices[0].message.content)
        self.assertGreater(chat.usage.total_tokens, 0)

    def test_a_chat_with_parts_and_tools_is_completed(self):
        call = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
        chat = self.client().chat.completions.create(
            model="lite",
            messages=[
                {"role": "user", "content": [{"type": "text", "text": "What time is it?"}]},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "call_1", "content": "noon"},
            ],
            tools=[{"type": "function", "function": {"name": "now"}}],
            tool_choice="auto",
            temperature=0.7,
            max_completion_tokens=50,
            response_format={"type": "json_object"},
        )
        self.assertTrue(chat.choices[0].message.content)

    def test_the_answer_can_be_sent_back(self):
        """A conversation continues with the received message, as the client's own object."""
        answer = self.chat().choices[0].message
        chat = self.client().chat.completions.create(model="lite", messages=[*HELLO, answer, *HELLO])
        self.assertTrue(chat.choices[0].message.content)

    def test_the_answer_can_be_sent_back_as_a_dictionary(self):
        """A conversation continues with the received message, with null for every absent field."""
        answer = self.chat().choices[0].message.model_dump()
        chat = self.client().chat.completions.create(model="lite", messages=[*HELLO, answer, *HELLO])
        self.assertTrue(chat.choices[0].message.content)

    def test_null_is_as_good_as_absent(self):
        chat = self.chat(temperature=None, max_tokens=None, stop=None, stream=None, tools=None, seed=None)
        self.assertTrue(chat.choices[0].message.content)

    def test_every_parameter_of_the_client_is_known(self):
        theirs = {"self", "messages", "model", "extra_headers", "extra_query", "extra_body", "timeout"}
        names = inspect.signature(Completions.create).parameters.keys() - theirs
        self.assertGreater(len(names), 20)
        try:
            self.chat(**dict.fromkeys(names))
        except openai.APIStatusError as refused:
            self.fail(f"{refused.response.status_code}: {refused.body}")

    def test_a_stream_is_answered_or_refused(self):
        try:
            chunks = list(self.chat(stream=True))
        except openai.APIStatusError as refused:
            self.assertIn(refused.status_code, [400, 422])
        else:
            self.assertTrue(chunks, "the client reads an answer without events as an empty one")

    def test_a_wrong_key_is_the_typed_error_with_the_documented_message(self):
        told = self.told(openai.AuthenticationError, self.client("halfred_" + "x" * 28).models.list)
        self.assertEqual(told[1], "Invalid API key")

    def test_a_revoked_key_is_the_typed_error_with_the_documented_message(self):
        told = self.told(openai.AuthenticationError, self.client(self.demo["revoked"]).models.list)
        self.assertEqual(told[1], "API key not found")

    def test_no_key_is_the_typed_error(self):
        told = self.told(openai.AuthenticationError, lambda: self.client().models.list(extra_headers=NO_KEY))
        self.assertEqual(told[1], "Authentication failed")

    def test_another_project_is_403(self):
        path = "/projects/proj_limited/key"
        self.told(openai.PermissionDeniedError, lambda: self.client().get(path, cast_to=object))

    def test_an_unknown_field_is_422(self):
        self.told(openai.UnprocessableEntityError, lambda: self.chat(extra_body={"temprature": 1}))

    def test_a_body_that_is_not_json_is_400(self):
        path, headers = "/chat/completions", {"Content-Type": "application/json"}
        client = self.client()
        self.told(
            openai.BadRequestError,
            lambda: client.post(path, content=b'{"model":', options={"headers": headers}, cast_to=object),
        )

    def test_a_replaced_key_fails_at_once_and_the_new_one_is_good(self):
        with Server(self.name) as server:
            old = self.client(server=server)
            self.assertTrue(old.models.list().data)
            answer = old.post(f"/projects/{server.demo['project']}/key/replace", cast_to=object)
            told = self.told(openai.AuthenticationError, old.models.list)
            self.assertEqual(told[1], "API key not found")
            self.assertTrue(self.client(answer["key"], server).models.list().data)


class OpenAIAtAiApi(Common, OpenAIChecks):
    name = "ai_api"
    good = "read"

    def generate(self, **body):
        body = {"prompt": "Hello", "model": "gpt-4", **body}
        return self.client().post("/generate", body=body, cast_to=object)

    def test_a_text_is_generated(self):
        answer = self.generate(max_tokens=100, temperature=0.5)
        self.assertTrue(answer["success"])
        self.assertEqual(answer["data"]["model"], "gpt-4")

    def test_null_is_as_good_as_absent(self):
        self.assertTrue(self.generate(max_tokens=None, temperature=None)["success"])

    def test_a_wrong_key_is_the_typed_error(self):
        told = self.told(openai.AuthenticationError, self.client("x" * 43).models.list)
        self.assertEqual(told, ("INVALID_API_KEY", "The provided API key is invalid"))

    def test_a_revoked_key_is_the_typed_error(self):
        told = self.told(openai.AuthenticationError, self.client(self.demo["revoked"]).models.list)
        self.assertEqual(told[0], "INVALID_API_KEY")

    def test_an_expired_key_is_the_typed_error(self):
        told = self.told(openai.AuthenticationError, self.client(self.demo["expired"]).models.list)
        self.assertEqual(told, ("EXPIRED_API_KEY", "The API key has expired"))

    def test_no_key_is_the_typed_error(self):
        told = self.told(openai.AuthenticationError, lambda: self.client().models.list(extra_headers=NO_KEY))
        self.assertEqual(told, ("MISSING_API_KEY", "API key is required"))

    def test_a_key_that_may_not_write_is_403(self):
        body = {"name": "x"}
        told = self.told(
            openai.PermissionDeniedError, lambda: self.client().post("/resources", body=body, cast_to=object)
        )
        self.assertEqual(told[0], "INSUFFICIENT_PERMISSIONS")
        answer = self.client(self.demo["write"]).post("/resources", body=body, cast_to=object)
        self.assertEqual(answer["data"]["name"], "x")

    def test_an_unknown_field_is_422(self):
        self.told(openai.UnprocessableEntityError, lambda: self.generate(max_token=1))

    def test_keys_are_created_rotated_and_revoked(self):
        admin = self.client(self.demo["admin"])
        body = {"name": "ci", "permissions": ["read"], "expires_in_days": None}
        first = admin.post("/keys", body=body, cast_to=object)["data"]
        self.assertTrue(self.client(first["key"]).models.list().data)
        second = admin.post(f"/keys/{first['id']}/rotate", cast_to=object)["data"]
        for key in [first, second]:
            self.assertTrue(self.client(key["key"]).models.list().data)
        for key in [first, second]:
            answer = admin.delete(f"/keys/{key['id']}", cast_to=object)
            self.assertTrue(answer["success"])
            self.told(openai.AuthenticationError, self.client(key["key"]).models.list)
