import { QueryClient } from "@tanstack/react-query"
import { api, type Schemas } from "./client.ts"
import { dataOf, refusedOf } from "./problems.ts"

export type Me = Schemas["User"]

/** What a repeat may change: no answer, or one that says so. */
export function isWorthRepeating(failures: number, error: unknown): boolean {
  const refused = refusedOf(error)
  return failures < 3 && (refused === null || refused.status >= 500)
}

export function newQueryClient(): QueryClient {
  return new QueryClient({ defaultOptions: { queries: { staleTime: 10_000, retry: isWorthRepeating } } })
}

export const meQuery = {
  queryKey: ["me"],
  queryFn: async () => dataOf(await api.GET("/api/auth/me")),
  staleTime: 60_000,
}
