import { catalogue, sentences } from "../i18n/catalogue.ts"
import { language } from "../i18n/language.ts"

/** A refusal of the gateway, or null where nothing answered. */
export type Refused = { status: number; code: string; title: string; errors: FieldError[]; retryAfter: number | null }
export type FieldError = { pointer: string; code: string; detail: string }

const texts = catalogue(
  {
    unreachable: "The server cannot be reached. Check your connection and try again.",
    later: (seconds: number) => `Too many requests. Try again in ${seconds} s.`,
    codes: {
      body_too_large: "This is larger than the server takes.",
      diagram_not_found: "This diagram does not exist, or you may not see it.",
      email_taken: "There is an account with this address. Sign in instead.",
      forbidden: "You may not do this.",
      internal_error: "Something went wrong on the server. Try again.",
      invalid_credentials: "The email address or the password is wrong.",
      password_too_common: "This password is among the commonest. Choose another one.",
      registration_closed: "Registration is closed. Ask an administrator for an account.",
      session_ended: "Your session has ended. Sign in again.",
      stale_revision: "Somebody else changed this meanwhile.",
      unauthenticated: "Sign in first.",
      unavailable: "The server is busy or restarting. Try again in a moment.",
    },
  },
  {
    unreachable: "Der Server ist nicht erreichbar. Prüfen Sie die Verbindung und versuchen Sie es erneut.",
    later: (seconds: number) => `Zu viele Anfragen. Versuchen Sie es in ${seconds} s erneut.`,
    codes: {
      body_too_large: "Das ist größer, als der Server annimmt.",
      diagram_not_found: "Dieses Diagramm gibt es nicht, oder Sie dürfen es nicht sehen.",
      email_taken: "Zu dieser Adresse gibt es schon ein Konto. Melden Sie sich an.",
      forbidden: "Das dürfen Sie nicht.",
      internal_error: "Auf dem Server ist etwas schiefgegangen. Versuchen Sie es erneut.",
      invalid_credentials: "E-Mail-Adresse oder Passwort ist falsch.",
      password_too_common: "Dieses Passwort gehört zu den häufigsten. Wählen Sie ein anderes.",
      registration_closed: "Die Registrierung ist geschlossen. Bitten Sie eine Administratorin um ein Konto.",
      session_ended: "Ihre Sitzung ist beendet. Melden Sie sich erneut an.",
      stale_revision: "Jemand anderes hat dies inzwischen geändert.",
      unauthenticated: "Melden Sie sich zuerst an.",
      unavailable: "Der Server ist beschäftigt oder startet neu. Versuchen Sie es gleich erneut.",
    },
  },
)

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null
}

export function refusedBy(status: number, body: unknown, retryAfter: string | null): Refused {
  const found = isRecord(body) ? body : {}
  const errors = Array.isArray(found.errors) ? (found.errors as FieldError[]) : []
  const seconds = Number(retryAfter)
  return {
    status,
    code: String(found.code ?? "internal_error"),
    title: String(found.detail ?? found.title ?? ""),
    errors,
    retryAfter: retryAfter !== null && Number.isFinite(seconds) ? seconds : null,
  }
}

/** Of an answer whose body was not read yet. */
export async function readRefused(answer: Response): Promise<Refused> {
  return refusedBy(answer.status, await answer.json().catch(() => null), answer.headers.get("Retry-After"))
}

/** What went wrong, in the language of the page. Codes without a sentence are shown in the server's words, in English. */
export function describe(refused: Refused | null): string {
  const text = sentences(texts)
  if (!refused) return text.unreachable
  if (refused.status === 429) return text.later(refused.retryAfter ?? 60)
  const known: Record<string, string> = text.codes
  const [first] = refused.errors
  return known[refused.code] ?? first?.detail ?? (refused.title || text.codes.internal_error)
}

/** What a refusal says of one field of the body. */
export function describeField(refused: Refused | null, field: string): string | undefined {
  const error = refused?.errors.find(({ pointer }) => pointer === `/${field}`)
  if (!error) return undefined
  const known: Record<string, string> = sentences(texts).codes
  return known[error.code] ?? (language.get() === "en" ? `${field} ${error.detail}` : error.detail)
}

/** Thrown by queries, so that components can tell a refusal from a gateway that did not answer. */
export class RefusedError extends Error {
  readonly refused: Refused
  constructor(refused: Refused) {
    super(refused.code)
    this.refused = refused
  }
}

export function refusedOf(error: unknown): Refused | null {
  return error instanceof RefusedError ? error.refused : null
}

/** The data of an answer of the typed client. Throws `RefusedError`. */
export function dataOf<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  if (!answer.response.ok || (answer.data === undefined && answer.response.status !== 204)) {
    throw new RefusedError(refusedBy(answer.response.status, answer.error, answer.response.headers.get("Retry-After")))
  }
  return answer.data as T
}
