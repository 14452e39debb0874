/**
 * What the server does not have yet, in IndexedDB. Each tab writes under a name of its own, so that two tabs with the same
 * diagram do not overwrite each other's drafts; a tab that ended leaves its drafts to the next that opens the diagram.
 *
 *   base    the revision that the draft is based on, with what a merge needs of it
 *   sent    a request that may have arrived: it is repeated word for word, with the same key
 *   latest  the edits after that
 *   aside   what lost in a merge, until a person takes it back or throws it away
 */
import type { Baseline } from "./merge.ts"

export type Base = { revision: number; baseline: Baseline }
/** *body* is the request's; *key* its Idempotency-Key. *at* is the time of this device, for people only. */
export type Sent = { key: string; revision: number; body: string; at: number }
export type Latest = { body: string; at: number }
export type Aside = { key: string; body: string; at: number }

export type Draft = { base: Base | null; sent: Sent | null; latest: Latest | null }

type Row = { path: string[]; value: unknown }
type Place = { account: string; diagram: string }

const STORE = "drafts"
const ASIDE = "aside"

function promised<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

let opening: Promise<IDBDatabase> | null = null

function open(): Promise<IDBDatabase> {
  const request = indexedDB.open("autograph", 1)
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "path" })
  const opened = promised(request).then((db) => {
    // Sign-out clears the origin's storage: the next draft opens it anew.
    db.onclose = () => {
      opening = null
    }
    db.onversionchange = () => db.close()
    return db
  })
  opened.catch(() => {
    opening = null
  })
  return opened
}

function database(): Promise<IDBDatabase> {
  opening ??= open()
  return opening
}

/**
 * One transaction. Resolves when it is on the disk; rejects with its reason, QuotaExceededError among them. Transactions
 * are carried out in the order in which they were asked for.
 */
async function transact<T>(
  mode: IDBTransactionMode,
  work: (store: IDBObjectStore) => Promise<T> | undefined,
): Promise<T | undefined> {
  const db = await database()
  const transaction = db.transaction(STORE, mode, { durability: "strict" })
  const done = new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve()
    transaction.onabort = () => reject(transaction.error)
  })
  const [result] = await Promise.all([work(transaction.objectStore(STORE)), done])
  return result
}

function below(...path: string[]): IDBKeyRange {
  return IDBKeyRange.bound(path, [...path, []])
}

function read<T>(store: IDBObjectStore, path: string[]): Promise<T | null> {
  // What stands there was written by this module.
  return promised<{ value: T } | undefined>(store.get(path)).then((row) => row?.value ?? null)
}

/** The drafts of one account and diagram. */
export class Drafts {
  private readonly place: Place

  constructor(place: Place) {
    this.place = place
  }

  private path(...rest: string[]): string[] {
    return [this.place.account, this.place.diagram, ...rest]
  }

  private row(tab: string, slot: string, value: unknown): Row {
    return { path: this.path(tab, slot), value }
  }

  /** Edits that are not sent yet. */
  async keep(tab: string, base: Base, latest: Latest): Promise<void> {
    await transact("readwrite", (store) => {
      store.put(this.row(tab, "base", base))
      store.put(this.row(tab, "latest", latest))
      return undefined
    })
  }

  /** Before it is sent: the edits become a request, which does not change any more. */
  async seal(tab: string, base: Base, sent: Sent): Promise<void> {
    await transact("readwrite", (store) => {
      store.put(this.row(tab, "base", base))
      store.put(this.row(tab, "sent", sent))
      store.delete(this.path(tab, "latest"))
      return undefined
    })
  }

  /** The server has the request *key*: it goes, and what came after it is now based on *base*. */
  async acknowledge(tab: string, key: string, base: Base): Promise<void> {
    await transact("readwrite", async (store) => {
      const sent = await read<Sent>(store, this.path(tab, "sent"))
      if (sent && sent.key !== key) return
      store.delete(this.path(tab, "sent"))
      const latest = await promised(store.getKey(this.path(tab, "latest")))
      if (latest) store.put(this.row(tab, "base", base))
      else store.delete(this.path(tab, "base"))
    })
  }

  /** After a merge: what is to be sent next, or nothing; what lost in it stays aside. */
  async replace(tab: string, base: Base, latest: Latest | null, aside: Aside | null): Promise<void> {
    await transact("readwrite", (store) => {
      store.delete(below(...this.path(tab)))
      if (latest) {
        store.put(this.row(tab, "base", base))
        store.put(this.row(tab, "latest", latest))
      }
      if (aside) store.put(this.row(ASIDE, aside.key, aside))
      return undefined
    })
  }

  /** The tabs that have drafts here, this one too. */
  async tabs(): Promise<string[]> {
    const paths = await transact("readonly", (store) => promised(store.getAllKeys(below(...this.path()))))
    const tabs = (paths ?? []).flatMap((path) => (Array.isArray(path) ? String(path[2]) : []))
    return [...new Set(tabs)].filter((tab) => tab !== ASIDE)
  }

  async read(tab: string): Promise<Draft> {
    const found = await transact("readonly", async (store) => {
      const [base, sent, latest] = await Promise.all([
        read<Base>(store, this.path(tab, "base")),
        read<Sent>(store, this.path(tab, "sent")),
        read<Latest>(store, this.path(tab, "latest")),
      ])
      return { base, sent, latest }
    })
    return found ?? { base: null, sent: null, latest: null }
  }

  /** Take over what *from* left. *sent* and *latest* become this tab's; anything else of it is given up. */
  async adopt(tab: string, from: string[], draft: Draft, asides: Aside[]): Promise<void> {
    await transact("readwrite", (store) => {
      for (const left of from) store.delete(below(...this.path(left)))
      if (draft.base) store.put(this.row(tab, "base", draft.base))
      if (draft.sent) store.put(this.row(tab, "sent", draft.sent))
      if (draft.latest) store.put(this.row(tab, "latest", draft.latest))
      for (const aside of asides) store.put(this.row(ASIDE, aside.key, aside))
      return undefined
    })
  }

  /** What lost in merges, the newest first. */
  async asides(): Promise<Aside[]> {
    const rows = await transact("readonly", (store) =>
      promised<{ value: Aside }[]>(store.getAll(below(...this.path(ASIDE)))),
    )
    return (rows ?? []).map((row) => row.value).sort((one, other) => other.at - one.at)
  }

  async discardAside(key: string): Promise<void> {
    await transact("readwrite", (store) => {
      store.delete(this.path(ASIDE, key))
      return undefined
    })
  }

  async discard(tab: string): Promise<void> {
    await transact("readwrite", (store) => {
      store.delete(below(...this.path(tab)))
      return undefined
    })
  }
}

/** The diagrams with drafts of *account* on this device: asked before a sign-out, and where a diagram cannot be loaded. */
export async function unsent(account: string): Promise<string[]> {
  const paths = await transact("readonly", (store) => promised(store.getAllKeys(below(account))))
  const found = (paths ?? []).flatMap((path) => (Array.isArray(path) && path[2] !== ASIDE ? String(path[1]) : []))
  return [...new Set(found)]
}
