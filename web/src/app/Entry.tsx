import { type FormEvent, useState } from "react"
import { describe, describeField, type Refused, readRefused } from "../api/problems.ts"
import { session } from "../api/session.ts"
import { useSentences } from "../i18n/catalogue.ts"
import { Button } from "../ui/Button.tsx"
import { Check, Field } from "../ui/Field.tsx"
import styles from "./Entry.module.css"
import { app } from "./sentences.ts"

type Problem = { refused: Refused | null } | null

function text(form: FormData, name: string): string {
  return String(form.get(name) ?? "")
}

/** The form that signs in or, with *registers*, makes an account first. */
export function EntryForm({ registers = false, onDone }: { registers?: boolean; onDone?: () => void }) {
  const { signIn, register } = useSentences(app)
  const [problem, setProblem] = useState<Problem>(null)
  const [busy, setBusy] = useState(false)

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const credentials = {
      email: text(form, "email"),
      password: text(form, "password"),
      rememberMe: form.get("remember") !== null,
    }
    setBusy(true)
    try {
      const answer = registers
        ? await session.register({ ...credentials, name: text(form, "name").trim() })
        : await session.signIn(credentials)
      setProblem(answer && { refused: await readRefused(answer) })
      if (!answer) onDone?.()
    } catch {
      setProblem({ refused: null })
    } finally {
      setBusy(false)
    }
  }

  const refused = problem?.refused ?? null
  const ofFields = { email: describeField(refused, "email"), password: describeField(refused, "password") }
  const general = problem && !ofFields.email && !ofFields.password ? describe(refused) : ""
  return (
    <form className={styles.form} onSubmit={(event) => void submit(event)}>
      {registers ? <Field label={register.name} name="name" autoComplete="name" maxLength={255} /> : null}
      <Field
        label={signIn.email}
        name="email"
        type="email"
        autoComplete="username"
        required
        autoFocus
        problem={ofFields.email}
      />
      <Field
        label={signIn.password}
        name="password"
        type="password"
        autoComplete={registers ? "new-password" : "current-password"}
        minLength={registers ? 8 : undefined}
        required
        {...(registers && { hint: register.passwordHint })}
        problem={ofFields.password}
      />
      <Check label={signIn.rememberMe} name="remember" />
      <p role="alert" className={styles.problem}>
        {general}
      </p>
      <Button type="submit" kind="primary" busy={busy} className={styles.submit}>
        {registers ? register.submit : signIn.submit}
      </Button>
    </form>
  )
}
