import { useQuery } from "@tanstack/react-query"
import { api } from "../../api/client.ts"

/** What a card shows of a diagram; null where there is none that this person may see. */
export type Card = { title: string; type: "canvas" | "note" | "mixed"; thumbnail: string | null }

export function useCard(id: string) {
  return useQuery({
    queryKey: ["diagram", id, "card"],
    staleTime: 60_000,
    queryFn: async (): Promise<Card | null> => {
      const { data, response } = await api.GET("/api/diagrams/{id}", { params: { path: { id } } })
      if (data) return { title: data.title, type: data.type, thumbnail: data.thumbnail_url ?? null }
      if (response.status >= 500 || response.status === 429) throw new Error(`Status ${response.status}`)
      return null
    },
  })
}
