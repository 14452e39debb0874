import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { type FormEvent, useId } from "react"
import { api, type Schemas } from "../api/client.ts"
import { dataOf, describe, refusedOf } from "../api/problems.ts"
import { meQuery } from "../api/queries.ts"
import { session } from "../api/session.ts"
import { useSentences } from "../i18n/catalogue.ts"
import { absolute, relative } from "../i18n/dates.ts"
import { Button } from "../ui/Button.tsx"
import { Field } from "../ui/Field.tsx"
import { Page } from "../ui/Page.tsx"
import { toasts } from "../ui/toasts.ts"
import styles from "./Account.module.css"
import { deviceOf } from "./device.ts"
import { account } from "./sentences.ts"

const SESSIONS = ["sessions"]

export default function Account() {
  const text = useSentences(account)
  return (
    <Page title={text.title}>
      <Profile />
      <Sessions />
    </Page>
  )
}

function tell(error: unknown): void {
  toasts.show(describe(refusedOf(error)))
}

function Profile() {
  const { profile } = useSentences(account)
  const id = useId()
  const client = useQueryClient()
  const me = useQuery(meQuery).data
  const change = useMutation({
    mutationFn: async (name: string) => dataOf(await api.PATCH("/api/auth/me", { body: { name: name || null } })),
    onError: tell,
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: meQuery.queryKey })
      toasts.show(profile.saved)
    },
  })
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    change.mutate(String(new FormData(event.currentTarget).get("name") ?? "").trim())
  }
  return (
    <section className={styles.section} aria-labelledby={id}>
      <h2 id={id}>{profile.title}</h2>
      {me ? (
        <form className={styles.form} onSubmit={submit}>
          <Field label={profile.email} value={me.email} readOnly />
          <Field label={profile.name} name="name" defaultValue={me.name ?? ""} autoComplete="name" maxLength={255} />
          <Button type="submit" busy={change.isPending}>
            {profile.save}
          </Button>
        </form>
      ) : null}
    </section>
  )
}

function Sessions() {
  const { sessions } = useSentences(account)
  const id = useId()
  const client = useQueryClient()
  const found = useQuery({ queryKey: SESSIONS, queryFn: async () => dataOf(await api.GET("/api/auth/sessions")) })
  const end = useMutation({
    mutationFn: async (id: string) =>
      dataOf(await api.DELETE("/api/auth/sessions/{session_id}", { params: { path: { session_id: id } } })),
    onError: tell,
    onSuccess: () => toasts.show(sessions.ended),
    onSettled: () => client.invalidateQueries({ queryKey: SESSIONS }),
  })
  const endAll = useMutation({
    mutationFn: async () => dataOf(await api.POST("/api/auth/logout-all")),
    onError: tell,
    onSuccess: async () => {
      await session.signOut()
    },
  })
  return (
    <section className={styles.section} aria-labelledby={id}>
      <h2 id={id}>{sessions.title}</h2>
      <p className={styles.soft}>{sessions.text}</p>
      <ul className={styles.sessions}>
        {(found.data?.items ?? []).map((each) => (
          <SessionRow
            key={each.id}
            each={each}
            onEnd={() => end.mutate(each.id)}
            busy={end.variables === each.id && end.isPending}
          />
        ))}
      </ul>
      <Button onClick={() => endAll.mutate()} busy={endAll.isPending}>
        {sessions.endAll}
      </Button>
    </section>
  )
}

function SessionRow({ each, onEnd, busy }: { each: Schemas["Session"]; onEnd: () => void; busy: boolean }) {
  const { sessions } = useSentences(account)
  const device = deviceOf(each.device) ?? sessions.unknown
  return (
    <li>
      <div>
        <strong>{device}</strong> {each.current ? <span className={styles.current}>{sessions.current}</span> : null}
        <div className={styles.soft}>
          {each.address ? `${each.address} · ` : ""}
          {sessions.lastSeen}{" "}
          <time dateTime={each.last_seen_at} title={absolute(each.last_seen_at)}>
            {relative(each.last_seen_at)}
          </time>
        </div>
      </div>
      {each.current ? null : (
        <Button onClick={onEnd} busy={busy} aria-label={`${sessions.end}: ${device}`}>
          {sessions.end}
        </Button>
      )}
    </li>
  )
}
