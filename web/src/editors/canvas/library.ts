/** A person's library of shapes, on this device. */
import type { LibraryItems } from "@excalidraw/excalidraw/types"
import { get, set } from "idb-keyval"

const KEY = "autograph.library"

export async function readLibrary(): Promise<LibraryItems> {
  return (await get<LibraryItems>(KEY).catch(() => undefined)) ?? []
}

export async function keepLibrary(items: LibraryItems): Promise<void> {
  // A library that cannot be kept is there until the page closes; nothing of a diagram depends on it.
  await set(KEY, items).catch(() => undefined)
}
