"""The snippets of the documents in three languages. Only the address, the key and the organisation are replaced."""

import contextlib
import io
import json
import os
import re
import subprocess
import unittest
from unittest import mock

from servers import PATIENCE, Server

HELLO = "Hello! How can I help you today?"


class Snippets:
    """One request to a server, in each language. It must print `expected`. `read` reads the output of curl."""

    name = key = expected = read = None
    curl = python = node = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = Server(cls.name)
        cls.addClassCleanup(cls.server.stop)

    def put_in(self, snippet):
        """Returns the snippet for this server, and its environment."""
        snippet, addresses = re.subn(r"https://[a-z.-]*\.(?:ai|com)(?=/)", self.server.url, snippet)
        self.assertEqual(addresses, 1)
        demo = self.server.demo
        snippet = snippet.replace("org_your_org_id", demo.get("organization", ""))
        return snippet, {"API_KEY": demo[self.key]}

    def run_it(self, command, variables):
        done = subprocess.run(
            command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_curl(self):
        snippet, variables = self.put_in(self.curl)
        self.assertEqual(self.read(json.loads(self.run_it(["bash", "-euc", snippet], variables))), self.expected)

    def test_python(self):
        snippet, variables = self.put_in(self.python)
        printed = io.StringIO()
        with mock.patch.dict(os.environ, variables), contextlib.redirect_stdout(printed):
            exec(compile(snippet, "snippet", "exec"), {})
        self.assertEqual(printed.getvalue(), self.expected + "\n")

    def test_node(self):
        snippet, variables = self.put_in(self.node)
        printed = self.run_it(["node", "--input-type=module", "--eval", snippet], variables)
        self.assertEqual(printed, self.expected + "\n")


class Models(Snippets):
    expected = "ftg-3.0"
    header = "X-API-Key"
    value = ""

    def read(self, data):
        return data["data"][0]["id"]

    @property
    def curl(self):
        return f"""
curl "https://api.aitronos.com/v1/models" \\
  -H "{self.header}: {self.value}$API_KEY"
"""

    @property
    def python(self):
        return f"""
import os
import requests

api_key = os.environ["API_KEY"]

response = requests.get(
    "https://api.aitronos.com/v1/models",
    headers={{"{self.header}": f"{self.value}{{api_key}}"}},
)
data = response.json()
print(data["data"][0]["id"])
"""

    @property
    def node(self):
        return f"""
const apiKey = process.env.API_KEY;

const response = await fetch('https://api.aitronos.com/v1/models', {{
  headers: {{ '{self.header}': `{self.value}${{apiKey}}` }}
}});

const data = await response.json();
console.log(data.data[0].id);
"""


class FreddyModelsWithKey(Models, unittest.TestCase):
    name, key = "freddy", "read"


class FreddyModelsWithToken(Models, unittest.TestCase):
    name, key, header, value = "freddy", "token", "Authorization", "Bearer "


class FreddyV0ModelsWithKey(Models, unittest.TestCase):
    name, key, header = "freddy_v0", "read", "api-key"


class FreddyV0ModelsWithToken(Models, unittest.TestCase):
    name, key, header, value = "freddy_v0", "token", "Authorization", "Bearer "


class HalfredModels(Models, unittest.TestCase):
    name, key, header, value, expected = "halfred", "key", "Authorization", "Bearer ", "lite"


class AitronosResponse(Snippets, unittest.TestCase):
    name, key, expected = "aitronos", "read", HELLO

    def read(self, data):
        return data["response"][0]["text"]

    curl = """
curl -X POST "https://api.aitronos.com/v1/model/response" \\
  -H "X-API-Key: $API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "organization_id": "org_your_org_id",
    "model": "gpt-4o",
    "inputs": [{"role": "user", "content": "Hello!"}]
  }'
"""
    python = """
import os
import requests

api_key = os.environ["API_KEY"]

headers = {
    "X-API-Key": api_key,
    "Content-Type": "application/json",
}

response = requests.post(
    "https://api.aitronos.com/v1/model/response",
    headers=headers,
    json={
        "organization_id": "org_your_org_id",
        "model": "gpt-4o",
        "inputs": [{"role": "user", "content": "Hello!"}],
    },
)

data = response.json()
print(data["response"][0]["text"])
"""
    node = """
const apiKey = process.env.API_KEY;

const response = await fetch("https://api.aitronos.com/v1/model/response", {
  method: "POST",
  headers: {
    "X-API-Key": apiKey,
    "Content-Type": "application/json",
  },
  body: JSON.stringify({
    organization_id: "org_your_org_id",
    model: "gpt-4o",
    inputs: [{ role: "user", content: "Hello!" }],
  }),
});

const data = await response.json();
console.log(data.response[0].text);
"""


class AiApiGenerate(Snippets, unittest.TestCase):
    name, key, expected = "ai_api", "read", "You said: Hello!"

    def read(self, data):
        return data["data"]["text"]

    curl = """
curl -X POST "https://api.example.com/v1/generate" \\
  -H "Authorization: Bearer $API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"prompt": "Hello!", "model": "gpt-4"}'
"""
    python = """
import os
import requests

headers = {
    "Authorization": f"Bearer {os.environ['API_KEY']}",
    "Content-Type": "application/json",
}
response = requests.post(
    "https://api.example.com/v1/generate",
    headers=headers,
    json={"prompt": "Hello!", "model": "gpt-4"},
)
print(response.json()["data"]["text"])
"""
    node = """
const response = await fetch('https://api.example.com/v1/generate', {
  method: 'POST',
  headers: {
    'Authorization': `Bearer ${process.env.API_KEY}`,
    'Content-Type': 'application/json'
  },
  body: JSON.stringify({ prompt: 'Hello!', model: 'gpt-4' })
});
const result = await response.json();
console.log(result.data.text);
"""


class HalfredChat(Snippets, unittest.TestCase):
    name, key, expected = "halfred", "key", HELLO

    def read(self, data):
        return data["choices"][0]["message"]["content"]

    curl = """
curl -X POST "https://api.halfred.ai/v1/chat/completions" \\
  -H "Authorization: Bearer $API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "model": "standard",
    "messages": [
      {"role": "user", "content": "Hello!"}
    ]
  }'
"""
    python = """
import os
import requests

response = requests.post(
    "https://api.halfred.ai/v1/chat/completions",
    headers={"Authorization": f"Bearer {os.environ['API_KEY']}", "Content-Type": "application/json"},
    json={"model": "standard", "messages": [{"role": "user", "content": "Hello!"}]},
)
print(response.json()["choices"][0]["message"]["content"])
"""
    node = """
const response = await fetch("https://api.halfred.ai/v1/chat/completions", {
  method: "POST",
  headers: {
    Authorization: `Bearer ${process.env.API_KEY}`,
    "Content-Type": "application/json",
  },
  body: JSON.stringify({
    model: "standard",
    messages: [{ role: "user", content: "Hello!" }],
  }),
});
const completion = await response.json();
console.log(completion.choices[0].message.content);
"""
