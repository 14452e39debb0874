import { useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import { useLocation } from "wouter"
import { describe, refusedOf } from "../api/problems.ts"
import { useSentences } from "../i18n/catalogue.ts"
import { toasts } from "../ui/toasts.ts"
import { BEGINS, type Kind } from "./kinds.ts"
import { create, refresh } from "./queries.ts"
import { dashboard } from "./sentences.ts"

/** Makes a diagram and opens it. */
export function useCreate(): { busy: boolean; begin: (kind: Kind) => Promise<void> } {
  const text = useSentences(dashboard)
  const [, navigate] = useLocation()
  const client = useQueryClient()
  const [busy, setBusy] = useState(false)
  async function begin(kind: Kind): Promise<void> {
    setBusy(true)
    try {
      const { type, note } = BEGINS[kind]
      const made = await create(text.untitled[kind], type, note)
      navigate(`/d/${made.id}`)
      await refresh(client)
    } catch (error) {
      toasts.show(describe(refusedOf(error)))
    } finally {
      setBusy(false)
    }
  }
  return { busy, begin }
}
