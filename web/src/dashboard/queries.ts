import { type InfiniteData, type QueryClient, useInfiniteQuery } from "@tanstack/react-query"
import { api, type Schemas } from "../api/client.ts"
import { dataOf, refusedOf } from "../api/problems.ts"
import type { DiagramType, Filter } from "./filter.ts"

export type Summary = Schemas["DiagramSummary"]
type Page = Schemas["DiagramPage"]

export const LISTS = "diagrams"
const PAGE_SIZE = 100
/** Requests at a time for many diagrams. */
const AT_ONCE = 4
const MAX_ATTEMPTS = 4

export function useDiagrams(filter: Filter) {
  const { view, q, type, tag, sort } = filter
  return useInfiniteQuery({
    queryKey: [LISTS, filter],
    initialPageParam: null as string | null,
    queryFn: async ({ pageParam, signal }) =>
      dataOf(
        await api.GET("/api/diagrams", {
          signal,
          params: {
            query: {
              view,
              sort,
              order: sort === "title" ? "asc" : "desc",
              limit: PAGE_SIZE,
              ...(q && { q }),
              ...(type && { type }),
              ...(tag && { tag }),
              ...(pageParam && { cursor: pageParam }),
            },
          },
        }),
      ),
    getNextPageParam: (page: Page) => page.next_cursor,
    placeholderData: (previous: InfiniteData<Page, string | null> | undefined) => previous,
  })
}

export async function create(title: string, type: DiagramType, note: string | null): Promise<Summary> {
  const body = { title, type, ...(note !== null && { note_content: note }) }
  const headers = { "Idempotency-Key": crypto.randomUUID() }
  const made = dataOf(await api.POST("/api/diagrams", { body, params: { header: headers } }))
  if (!("id" in made)) throw new Error("accepted, and not done yet")
  return made
}

export async function rename(id: string, title: string): Promise<void> {
  dataOf(await api.PATCH("/api/diagrams/{id}", { params: { path: { id } }, body: { title } }))
}

export type Change = "trash" | "restore" | "purge"

/** Where a limit is reached, it is waited for as long as it says, some times. */
async function changeInTime(kind: Change, id: string, attempts = MAX_ATTEMPTS): Promise<void> {
  try {
    await change(kind, id)
  } catch (error) {
    const refused = refusedOf(error)
    if (refused?.status !== 429 || attempts <= 1) throw error
    await new Promise((resolve) => setTimeout(resolve, (refused.retryAfter ?? 1) * 1000))
    await changeInTime(kind, id, attempts - 1)
  }
}

async function change(kind: Change, id: string): Promise<void> {
  const path = { id }
  if (kind === "restore") dataOf(await api.POST("/api/diagrams/{id}/restore", { params: { path } }))
  else dataOf(await api.DELETE("/api/diagrams/{id}", { params: { path, query: { permanent: kind === "purge" } } }))
}

/** Changes each of *ids*, some at a time. Returns those that were changed. */
export async function changeAll(kind: Change, ids: readonly string[]): Promise<string[]> {
  const left = [...ids]
  const done: string[] = []
  async function work(): Promise<void> {
    for (let id = left.shift(); id !== undefined; id = left.shift()) {
      try {
        await changeInTime(kind, id)
        done.push(id)
      } catch {
        // The caller counts those that were changed.
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return done
}

export async function refresh(client: QueryClient): Promise<void> {
  await client.invalidateQueries({ queryKey: [LISTS] })
}
