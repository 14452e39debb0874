// A journey with the client that @hey-api/openapi-ts makes, compiled with all that TypeScript can ask for.
import { client } from "./sdk/client.gen.js";
import { changeDiagram, createDiagram, getDiagram, listDiagrams, registerUser, signIn } from "./sdk/index.js";

client.setConfig({ baseUrl: process.argv[2]!, throwOnError: true });
const throwOnError = true;
const email = `${crypto.randomUUID()}@example.org`;
const password = "correct horse";
const canvas = { elements: [{ id: "a" }] };

await registerUser({ body: { email, password }, throwOnError });
const tokens = (await signIn({ body: { email, password }, throwOnError })).data;
client.setConfig({ auth: tokens.access_token });

const { data: made } = await createDiagram({
  body: { title: "Plan", type: "canvas", canvas_data: canvas },
  throwOnError,
});
if (!("id" in made)) throw new Error("accepted, and not done");
const path = { id: made.id };
await changeDiagram({ path, headers: { "If-Match": '"1"' }, body: { title: "New" }, throwOnError });
const { data: read } = await getDiagram({ path, throwOnError });
// What the change left out stayed.
if (JSON.stringify([read.title, read.canvas_data, read.tags]) !== JSON.stringify(["New", canvas, []])) {
  throw new Error(JSON.stringify(read));
}
const { data: listed } = await listDiagrams({ query: { limit: 5 }, throwOnError });
if (listed.items[0]?.title !== "New") throw new Error(JSON.stringify(listed));
