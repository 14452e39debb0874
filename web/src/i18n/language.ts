/** The language of the page: the person's choice, else the browser's. */
export const LANGUAGES = ["en", "de"] as const
export type Language = (typeof LANGUAGES)[number]

const CHOICE = "autograph.language"
const listeners = new Set<() => void>()

function initial(): Language {
  const wanted = [localStorage.getItem(CHOICE) ?? "", ...navigator.languages]
  for (const tag of wanted) {
    const found = LANGUAGES.find((language) => tag.toLowerCase().split("-")[0] === language)
    if (found) return found
  }
  return "en"
}

let current: Language = initial()

export const language = {
  get: (): Language => current,
  subscribe(listener: () => void): () => void {
    listeners.add(listener)
    return () => listeners.delete(listener)
  },
  choose(next: Language): void {
    localStorage.setItem(CHOICE, next)
    current = next
    document.documentElement.lang = next
    for (const listener of listeners) listener()
  },
}
