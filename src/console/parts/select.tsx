/** A choice among the values of the contract, or none of them. */
export function Select<Value extends string>({
  label,
  value,
  options,
  all,
  onChange,
}: {
  label: string
  value: Value | undefined
  options: Readonly<Record<Value, string>>
  /** Stands for none. */
  all: string
  onChange: (value: Value | undefined) => void
}) {
  return (
    <label>
      <span>{label}</span>
      <select
        value={value ?? ''}
        onChange={({ currentTarget }) =>
          onChange(currentTarget.value === '' ? undefined : (currentTarget.value as Value))
        }
      >
        <option value="">{all}</option>
        {Object.entries<string>(options).map(([name, title]) => (
          <option key={name} value={name}>
            {title}
          </option>
        ))}
      </select>
    </label>
  )
}
