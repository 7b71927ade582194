import { runsAt, type Task } from '../queue/job.ts'
import { tidyJobs } from './jobs.ts'
import { tidy } from './service.ts'

export const jobTasks: Task[] = [runsAt(tidyJobs, tidy)]
