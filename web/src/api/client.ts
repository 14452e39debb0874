import createClient, { type Middleware } from "openapi-fetch"
import type { components, paths } from "./schema.d.ts"
import { PAGE_HEADER, session } from "./session.ts"

export type Schemas = components["schemas"]
export type Problem = Schemas["Problem"]

const copies = new WeakMap<Request, Request>()

const renewing: Middleware = {
  onRequest({ request }) {
    for (const [name, value] of Object.entries(PAGE_HEADER)) request.headers.set(name, value)
    copies.set(request, request.clone())
    return request
  },
  async onResponse({ request, response }) {
    // Once. A 401 was refused before anything was done, so that a change may be sent again as well.
    const copy = copies.get(request)
    if (response.status === 401 && copy && (await session.renew())) return fetch(copy)
    return undefined
  },
}

export const api = createClient<paths>({ baseUrl: "/" })
api.use(renewing)
