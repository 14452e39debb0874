import { observable } from "../observable.ts"

/** The theme of the page: a person's choice, else the system's, which the style sheet follows by itself. */
export const THEMES = ["system", "light", "dark"] as const
export type Theme = (typeof THEMES)[number]

const CHOICE = "autograph.theme"

function initial(): Theme {
  const kept = localStorage.getItem(CHOICE)
  return THEMES.find((each) => each === kept) ?? "system"
}

function apply(chosen: Theme): void {
  if (chosen === "system") delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = chosen
}

const { get, set, subscribe } = observable(initial())

export const theme = {
  get,
  subscribe,
  /** At the start of the page, before anything is shown. */
  begin(): void {
    apply(get())
  },
  choose(next: Theme): void {
    localStorage.setItem(CHOICE, next)
    apply(next)
    set(next)
  },
}
