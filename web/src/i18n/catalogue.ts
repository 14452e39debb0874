import { useSyncExternalStore } from "react"
import { type Language, language } from "./language.ts"

/** A sentence, or a function of what stands in it (numbers choose the plural by `plural`). */
// biome-ignore lint/suspicious/noExplicitAny: the parameters are those of each sentence
type Sentence = string | ((...values: any[]) => string)
type Sentences = { [key: string]: Sentence | Sentences }

/** The same keys in each language: one that lacks a sentence does not type-check. */
export type Catalogue<S> = Record<Language, S>

type Widened<S> = {
  [K in keyof S]: S[K] extends string
    ? string
    : S[K] extends (...values: infer V) => string
      ? (...values: V) => string
      : Widened<S[K]>
}

/** A feature's catalogue. It stands in the feature's folder, so that it is loaded with the feature. */
export function catalogue<const S extends Sentences>(en: S, de: Widened<S>): Catalogue<Widened<S>> {
  return { en: en as unknown as Widened<S>, de }
}

/** The sentences of *of* in the language of the page; the component renders again when the language changes. */
export function useSentences<S>(of: Catalogue<S>): S {
  return of[useSyncExternalStore(language.subscribe, language.get)]
}

/** For what is not a component. */
export function sentences<S>(of: Catalogue<S>): S {
  return of[language.get()]
}

export function plural(count: number, forms: { one: string; other: string }): string {
  const rules = new Intl.PluralRules(language.get())
  const form = rules.select(count) === "one" ? forms.one : forms.other
  return `${new Intl.NumberFormat(language.get()).format(count)} ${form}`
}
