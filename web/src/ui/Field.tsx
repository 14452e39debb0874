import { type InputHTMLAttributes, useId } from "react"
import styles from "./Field.module.css"

type Props = InputHTMLAttributes<HTMLInputElement> & { label: string; hint?: string; problem?: string | undefined }

/** A labelled input. *hint* is shown before, *problem* after it was refused. */
export function Field({ label, hint, problem, ...native }: Props) {
  const id = useId()
  const described = [hint ? `${id}-hint` : "", problem ? `${id}-problem` : ""].filter(Boolean).join(" ")
  return (
    <div className={styles.field}>
      <label htmlFor={id}>{label}</label>
      <input
        {...native}
        id={id}
        className={styles.input}
        aria-invalid={problem ? true : undefined}
        aria-describedby={described || undefined}
      />
      {hint ? (
        <p id={`${id}-hint`} className={styles.hint}>
          {hint}
        </p>
      ) : null}
      {problem ? (
        <p id={`${id}-problem`} className={styles.problem} role="alert">
          {problem}
        </p>
      ) : null}
    </div>
  )
}

export function Check({ label, ...native }: InputHTMLAttributes<HTMLInputElement> & { label: string }) {
  return (
    <label className={styles.check}>
      <input type="checkbox" {...native} />
      {label}
    </label>
  )
}
