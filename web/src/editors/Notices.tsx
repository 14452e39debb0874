/** What there is to say of saving beyond one word, with what a person can do about it. */
import { lazy, type ReactNode, Suspense, useState } from "react"
import { useLocation } from "wouter"
import { useSentences } from "../i18n/catalogue.ts"
import { absolute } from "../i18n/dates.ts"
import { changesOf } from "../saving/edits.ts"
import type { Saver } from "../saving/saver.ts"
import type { Diagram } from "../saving/server.ts"
import type { SaverState, Why } from "../saving/state.ts"
import styles from "./DiagramPage.module.css"
import { downloadJson } from "./download.ts"
import { restoreFromTrash, saveAsNew } from "./queries.ts"
import { page } from "./sentences.ts"

const ConflictDialog = lazy(() => import("./ConflictDialog.tsx"))
const OverlapDialog = lazy(() => import("./canvas/OverlapDialog.tsx"))

type NoticesProps = { saver: Saver; state: SaverState; diagram: Diagram }

export function Notices({ saver, state, diagram }: NoticesProps) {
  const said = useSentences(page)
  const { why, notice, conflict, asides } = state
  return (
    <>
      {!state.kept && state.saving !== "clean" && (
        <Notice tone="danger">
          <span>{said.notKept}</span>
        </Notice>
      )}
      {why && <Unsaved saver={saver} why={why} diagram={diagram} />}
      {conflict && <Conflict saver={saver} conflict={conflict} />}
      {notice?.kind === "recovered" && (
        <Notice>
          <span>{said.recovered(absolute(notice.at))}</span>
          <Button onClick={saver.dismiss}>{said.dismiss}</Button>
        </Notice>
      )}
      {notice?.kind === "merged" && <MergedNotice saver={saver} notice={notice} />}
      {asides.length > 0 && notice === null && (
        <Notice>
          <span>{said.asides(asides.length)}</span>
          <Button
            onClick={() =>
              downloadJson(
                state.title,
                asides.map((each) => changesOf(each.body)),
              )
            }
          >
            {said.download}
          </Button>
          <Button onClick={() => void saver.discardAsides()}>{said.discard}</Button>
        </Notice>
      )}
    </>
  )
}

type Tone = "plain" | "warning" | "danger"

function Notice({ tone = "plain", children }: { tone?: Tone; children: ReactNode }) {
  return (
    <div className={styles.notice} data-tone={tone} role={tone === "danger" ? "alert" : "status"}>
      {children}
    </div>
  )
}

function Button({
  onClick,
  children,
  primary = false,
}: {
  onClick: () => void
  children: ReactNode
  primary?: boolean
}) {
  return (
    <button type="button" className={primary ? styles.primary : styles.button} onClick={onClick}>
      {children}
    </button>
  )
}

function Unsaved({ saver, why, diagram }: { saver: Saver; why: Why; diagram: Diagram }) {
  const said = useSentences(page)
  const [, navigate] = useLocation()
  const [key] = useState(() => crypto.randomUUID())
  const code = why.kind === "problem" ? why.problem.code : ""
  const lost = why.kind === "gone" || why.kind === "problem"

  async function asNew(): Promise<void> {
    const { title, canvas_data, note_content } = saver.now()
    const id = await saveAsNew({ title, type: diagram.type, canvas_data, note_content }, key)
    if (!id) return
    await saver.forget()
    navigate(`/d/${id}`)
  }

  async function untrash(): Promise<void> {
    await restoreFromTrash(diagram.id)
    saver.retry()
  }

  return (
    <Notice tone={lost ? "danger" : "warning"}>
      <span>{sentenceOf(why, said.why)}</span>
      {code === "in_trash" && (
        <Button primary onClick={() => void untrash().catch(() => undefined)}>
          {said.restoreFromTrash}
        </Button>
      )}
      {lost && code !== "in_trash" && code !== "body_too_large" && (
        <Button primary onClick={() => void asNew().catch(() => undefined)}>
          {said.saveAsNew}
        </Button>
      )}
      {lost && <Button onClick={() => downloadJson(saver.now().title, saver.now())}>{said.download}</Button>}
      {why.kind !== "gone" && why.kind !== "signed-out" && <Button onClick={saver.retry}>{said.again}</Button>}
    </Notice>
  )
}

type Reasons = ReturnType<typeof useSentences<(typeof page)["en"]>>["why"]

function sentenceOf(why: Why, said: Reasons): string {
  if (why.kind !== "problem") return said[why.kind]
  const { code, title } = why.problem
  if (code === "in_trash" || code === "body_too_large" || code === "forbidden") return said[code]
  return said.other(title)
}

function Conflict({ saver, conflict }: { saver: Saver; conflict: NonNullable<SaverState["conflict"]> }) {
  const said = useSentences(page)
  const [open, setOpen] = useState(true)
  return (
    <Notice tone="danger">
      <span>{said.conflict.title}</span>
      <Button primary onClick={() => setOpen(true)}>
        {said.conflict.decide}
      </Button>
      {open && (
        <Suspense fallback={null}>
          <ConflictDialog
            conflict={conflict}
            onDecide={(text) => void saver.decide(text)}
            onClose={() => setOpen(false)}
          />
        </Suspense>
      )}
    </Notice>
  )
}

type Merged = Extract<SaverState["notice"], { kind: "merged" }>

function MergedNotice({ saver, notice }: { saver: Saver; notice: Merged }) {
  const said = useSentences(page)
  const [open, setOpen] = useState(false)
  const { overlaps } = notice
  return (
    <Notice tone={overlaps.length > 0 ? "warning" : "plain"}>
      <span>
        {said.merged} {overlaps.length > 0 && said.overlaps(overlaps.length)}
      </span>
      {overlaps.length > 0 && (
        <Button primary onClick={() => setOpen(true)}>
          {said.review}
        </Button>
      )}
      <Button onClick={saver.dismiss}>{said.dismiss}</Button>
      {open && (
        <Suspense fallback={null}>
          <OverlapDialog saver={saver} notice={notice} onClose={() => setOpen(false)} />
        </Suspense>
      )}
    </Notice>
  )
}
