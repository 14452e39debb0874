import { useQuery } from "@tanstack/react-query"
import { useEffect } from "react"
import { api, type Schemas } from "../api/client.ts"
import { dataOf } from "../api/problems.ts"
import { isWorthRepeating } from "../api/queries.ts"

export async function fetchDiagram(id: string): Promise<Schemas["Diagram"]> {
  return dataOf(await api.GET("/api/diagrams/{id}", { params: { path: { id } }, cache: "no-cache" }))
}

/** Read anew at each opening: what an editor starts from must be what the server has. */
export function useDiagram(id: string) {
  return useQuery({
    queryKey: ["diagram", id],
    queryFn: () => fetchDiagram(id),
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
    retry: (failures, error) => failures < 2 && isWorthRepeating(failures, error),
  })
}

/** Once for each opening, so that it is among the recent ones. If that fails nothing is lost, and nothing is shown. */
export function useCountedView(id: string, isThere: boolean): void {
  useEffect(() => {
    if (isThere) void api.POST("/api/diagrams/{id}/views", { params: { path: { id } } }).catch(() => undefined)
  }, [id, isThere])
}

/** The new diagram's id. *key* makes a repeat of the same request the same diagram. */
export async function saveAsNew(content: Schemas["CreateDiagram"], key: string): Promise<string | null> {
  const made = dataOf(
    await api.POST("/api/diagrams", { params: { header: { "Idempotency-Key": key } }, body: content }),
  )
  return "id" in made ? made.id : null
}

export async function restoreFromTrash(id: string): Promise<void> {
  dataOf(await api.POST("/api/diagrams/{id}/restore", { params: { path: { id } } }))
}
