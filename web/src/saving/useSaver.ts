import { useQueryClient } from "@tanstack/react-query"
import { useEffect, useState } from "react"
import { openSaver } from "./open.ts"
import type { Saver } from "./saver.ts"
import type { Diagram } from "./server.ts"

/** The saver of *diagram*, once the drafts that earlier tabs left were looked for. */
export function useSaver(diagram: Diagram, account: string): Saver | null {
  const queries = useQueryClient()
  const [saver, setSaver] = useState<Saver | null>(null)
  useEffect(() => {
    let gone = false
    let opened: Saver | null = null
    const onSaved = () => void queries.invalidateQueries({ queryKey: ["diagrams"], refetchType: "none" })
    void openSaver(diagram, { account, onSaved }).then((made) => {
      opened = made
      if (gone) made.close()
      else setSaver(made)
    })
    return () => {
      gone = true
      opened?.close()
      setSaver(null)
    }
  }, [diagram, account, queries])
  return saver
}
