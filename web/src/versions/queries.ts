import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { api, type Schemas } from "../api/client.ts"
import { dataOf } from "../api/problems.ts"

export type VersionSummary = Schemas["VersionSummary"]
export type Version = Schemas["Version"]

export function useVersions(id: string) {
  return useInfiniteQuery({
    queryKey: ["versions", id],
    queryFn: async ({ pageParam }) => {
      const query = pageParam ? { limit: 50, cursor: pageParam } : { limit: 50 }
      return dataOf(await api.GET("/api/diagrams/{id}/versions", { params: { path: { id }, query } }))
    },
    initialPageParam: "",
    getNextPageParam: (last) => last.next_cursor,
    staleTime: 0,
  })
}

export function useVersion(id: string, number: number | null, open: boolean) {
  return useQuery({
    queryKey: ["version", id, number],
    queryFn: async () =>
      dataOf(await api.GET("/api/diagrams/{id}/versions/{number}", { params: { path: { id, number: number ?? 0 } } })),
    enabled: number !== null,
    // Once closed it never changes.
    staleTime: open ? 0 : Number.POSITIVE_INFINITY,
  })
}

export function useLabel(id: string) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: async ({ number, label }: { number: number; label: string | null }) =>
      dataOf(
        await api.PATCH("/api/diagrams/{id}/versions/{number}", { params: { path: { id, number } }, body: { label } }),
      ),
    onSettled: () => queries.invalidateQueries({ queryKey: ["versions", id] }),
  })
}

/** *revision*: what is replaced, so that nothing that somebody saved meanwhile is. */
export function useRestore(id: string) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: async ({ number, revision }: { number: number; revision: number }) =>
      dataOf(
        await api.POST("/api/diagrams/{id}/versions/{number}/restore", {
          params: {
            path: { id, number },
            header: { "If-Match": `"${revision}"`, "Idempotency-Key": crypto.randomUUID() },
          },
        }),
      ),
    onSettled: () => queries.invalidateQueries({ queryKey: ["versions", id] }),
  })
}
