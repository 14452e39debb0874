import { type FormEvent, useState } from "react"
import { session } from "../api/session.ts"
import { useSentences } from "../i18n/catalogue.ts"
import { app } from "./sentences.ts"

export function SignIn() {
  const { signIn } = useSentences(app)
  const [problem, setProblem] = useState("")

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const refused = await session.signIn(String(form.get("email")), String(form.get("password")), false)
    setProblem(refused ? signIn.failed : "")
  }

  return (
    <form onSubmit={(event) => void submit(event)}>
      <h1>AutoGraph</h1>
      <label>
        {signIn.email} <input name="email" type="email" autoComplete="username" required />
      </label>
      <label>
        {signIn.password} <input name="password" type="password" autoComplete="current-password" required />
      </label>
      <button type="submit">{signIn.submit}</button>
      {problem && <p role="alert">{problem}</p>}
    </form>
  )
}
