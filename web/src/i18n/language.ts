import { observable } from "../observable.ts"

/** The language of the page: the person's choice, else the browser's. */
export const LANGUAGES = ["en", "de"] as const
export type Language = (typeof LANGUAGES)[number]

const CHOICE = "autograph.language"

function initial(): Language {
  const wanted = [localStorage.getItem(CHOICE) ?? "", ...navigator.languages]
  for (const tag of wanted) {
    const found = LANGUAGES.find((language) => tag.toLowerCase().split("-")[0] === language)
    if (found) return found
  }
  return "en"
}

const { get, set, subscribe } = observable(initial())

export const language = {
  get,
  subscribe,
  choose(next: Language): void {
    localStorage.setItem(CHOICE, next)
    document.documentElement.lang = next
    set(next)
  },
}
