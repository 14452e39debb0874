// A journey with openapi-fetch and the types that openapi-typescript makes by its default flags.
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

const baseUrl = process.argv[2]!;
const email = `${crypto.randomUUID()}@example.org`;
const password = "correct horse";
const canvas = { elements: [{ id: "a" }] };

function held<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

const anyone = createClient<paths>({ baseUrl });
held(await anyone.POST("/api/auth/register", { body: { email, password } }));
const tokens = held(await anyone.POST("/api/auth/login", { body: { email, password } }));
const anna = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${tokens.access_token}` } });

const created = await anna.POST("/api/diagrams", { body: { title: "Plan", type: "canvas", canvas_data: canvas } });
const made = held(created);
if (!("id" in made)) throw new Error("accepted, and not done");
const path = { id: made.id };
held(await anna.PATCH("/api/diagrams/{id}", { params: { path, header: { "If-Match": '"1"' } }, body: { title: "New" } }));
const read = held(await anna.GET("/api/diagrams/{id}", { params: { path } }));
// What the change left out stayed.
if (JSON.stringify([read.title, read.canvas_data, read.tags]) !== JSON.stringify(["New", canvas, []])) {
  throw new Error(JSON.stringify(read));
}
const listed = held(await anna.GET("/api/diagrams", { params: { query: { limit: 5 } } }));
if (listed.items.map((one) => one.title).join() !== "New") throw new Error(JSON.stringify(listed));
// @ts-expect-error: null is no title
anna.PATCH("/api/diagrams/{id}", { params: { path }, body: { title: null } });
