import { expect, test } from "vitest"
import { observable } from "./observable.ts"

test("listeners hear of each value until they leave, and read the newest", () => {
  const value = observable(1)
  const heard: number[] = []
  const leave = value.subscribe(() => heard.push(value.get()))
  value.set(2)
  value.set(2)
  leave()
  value.set(3)
  expect(heard).toEqual([2, 2])
  expect(value.get()).toBe(3)
})
