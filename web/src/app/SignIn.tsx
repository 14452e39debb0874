import { useState, useSyncExternalStore } from "react"
import { useSentences } from "../i18n/catalogue.ts"
import { LANGUAGES, language } from "../i18n/language.ts"
import { Mark } from "../ui/Icon.tsx"
import styles from "./Entry.module.css"
import { EntryForm } from "./Entry.tsx"
import { app } from "./sentences.ts"

/** What somebody sees who is not signed in. */
export function SignIn() {
  const { tagline, signIn, register, insecure, header } = useSentences(app)
  const [registers, setRegisters] = useState(false)
  const chosen = useSyncExternalStore(language.subscribe, language.get)
  const [other, toOther] = registers ? [register.other, register.toSignIn] : [signIn.other, signIn.toRegister]
  return (
    <div className={styles.page}>
      <main className={styles.card}>
        <div className={styles.brand}>
          <Mark size={40} />
          <div>
            <strong>AutoGraph</strong>
            <span>{tagline}</span>
          </div>
        </div>
        {window.isSecureContext ? null : (
          <p className={styles.notice} role="alert">
            <strong>{insecure.title}.</strong> {insecure.text}
          </p>
        )}
        <div className={styles.box}>
          <h1>{registers ? register.title : signIn.title}</h1>
          <EntryForm key={String(registers)} registers={registers} />
        </div>
        <p className={styles.other}>
          {other}{" "}
          <button type="button" className={styles.link} onClick={() => setRegisters(!registers)}>
            {toOther}
          </button>
        </p>
      </main>
      <footer className={styles.languages}>
        {LANGUAGES.map((each) => (
          <button
            key={each}
            type="button"
            lang={each}
            className={styles.link}
            aria-pressed={each === chosen}
            onClick={() => language.choose(each)}
          >
            {header.languages[each]}
          </button>
        ))}
      </footer>
    </div>
  )
}
