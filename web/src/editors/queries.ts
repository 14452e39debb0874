import { useQuery } from "@tanstack/react-query"
import { useEffect } from "react"
import { api, type Problem, type Schemas } from "../api/client.ts"

export class Refused extends Error {
  readonly status: number
  readonly problem: Problem | undefined

  constructor(status: number, problem: Problem | undefined) {
    super(problem?.title ?? `status ${status}`)
    this.status = status
    this.problem = problem
  }
}

type Answered<T> = { data?: T; error?: Problem; response: Response }

export function unwrap<T>({ data, error, response }: Answered<T>): T {
  if (data === undefined) throw new Refused(response.status, error)
  return data
}

export async function fetchDiagram(id: string): Promise<Schemas["Diagram"]> {
  return unwrap(await api.GET("/api/diagrams/{id}", { params: { path: { id } }, cache: "no-cache" }))
}

/** Read anew at each opening: what an editor starts from must be what the server has. */
export function useDiagram(id: string) {
  return useQuery({
    queryKey: ["diagram", id],
    queryFn: () => fetchDiagram(id),
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
    retry: (failures, error) => !(error instanceof Refused && error.status < 500) && failures < 2,
  })
}

export function useMe() {
  return useQuery({
    queryKey: ["me"],
    queryFn: async () => unwrap(await api.GET("/api/auth/me")),
    staleTime: Number.POSITIVE_INFINITY,
  })
}

/** Once for each opening, so that it is among the recent ones. If that fails nothing is lost, and nobody is told. */
export function useCountedView(id: string, isThere: boolean): void {
  useEffect(() => {
    if (isThere) void api.POST("/api/diagrams/{id}/views", { params: { path: { id } } }).catch(() => undefined)
  }, [id, isThere])
}

/** The new diagram's id. *key* makes a repeat of the same request the same diagram. */
export async function saveAsNew(content: Schemas["CreateDiagram"], key: string): Promise<string | null> {
  const made = unwrap(
    await api.POST("/api/diagrams", { params: { header: { "Idempotency-Key": key } }, body: content }),
  )
  return "id" in made ? made.id : null
}

export async function restoreFromTrash(id: string): Promise<void> {
  unwrap(await api.POST("/api/diagrams/{id}/restore", { params: { path: { id } } }))
}
