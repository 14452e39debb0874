import { useMutation, useQueryClient } from "@tanstack/react-query"
import type { FormEvent } from "react"
import { describe, refusedOf } from "../api/problems.ts"
import { useSentences } from "../i18n/catalogue.ts"
import { Button } from "../ui/Button.tsx"
import { Dialog, DialogActions } from "../ui/Dialog.tsx"
import { Field } from "../ui/Field.tsx"
import { refresh, rename, type Summary } from "./queries.ts"
import { dashboard } from "./sentences.ts"

export function RenameDialog({ diagram, onClose }: { diagram: Summary; onClose: () => void }) {
  const { renamed } = useSentences(dashboard)
  const client = useQueryClient()
  const change = useMutation({
    mutationFn: (title: string) => rename(diagram.id, title),
    onSuccess: async () => {
      onClose()
      await refresh(client)
    },
  })
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    change.mutate(String(new FormData(event.currentTarget).get("title") ?? "").trim())
  }
  return (
    <Dialog title={renamed.title} close={renamed.cancel} onClose={onClose}>
      <form onSubmit={submit}>
        <Field
          label={renamed.label}
          name="title"
          defaultValue={diagram.title}
          required
          maxLength={255}
          autoFocus
          onFocus={(event) => event.target.select()}
          problem={change.isError ? describe(refusedOf(change.error)) : undefined}
        />
        <DialogActions>
          <Button onClick={onClose}>{renamed.cancel}</Button>
          <Button type="submit" kind="primary" busy={change.isPending}>
            {renamed.save}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}

export function PurgeDialog(props: { count: number; onClose: () => void; onConfirm: () => void }) {
  const { purge } = useSentences(dashboard)
  return (
    <Dialog title={purge.title(props.count)} close={purge.cancel} onClose={props.onClose}>
      <p>{purge.text}</p>
      <DialogActions>
        <Button autoFocus onClick={props.onClose}>
          {purge.cancel}
        </Button>
        <Button kind="danger" onClick={props.onConfirm}>
          {purge.confirm}
        </Button>
      </DialogActions>
    </Dialog>
  )
}
