//! The machine card: what is known of the machine, and what it cannot show.
//!
//! The command looks; here it is said what that means for whoever reads the figures.

/// What was seen of the machine. What the system does not tell is not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The processor's name.
    pub cpu: Option<String>,
    /// Processors that this process may use.
    pub cpus: usize,
    /// CPUs of the server.
    pub server_cpus: Vec<usize>,
    /// CPUs of the client.
    pub client_cpus: Vec<usize>,
    /// CPUs that share a core with one of the server's.
    pub siblings: Vec<usize>,
    /// Memory, KiB.
    pub memory_kb: Option<u64>,
    /// Kernel and its release.
    pub kernel: Option<String>,
    /// Operating system.
    pub system: Option<String>,
    /// Descriptors that a process may have.
    pub descriptors: Option<u64>,
    /// Connections that the comparison would like to have at a time.
    pub wanted: u64,
    /// True if the processor says that it is a virtual one.
    pub is_virtual: bool,
    /// What decides on the clock frequency: `performance`, `powersave`.
    pub governor: Option<String>,
    /// True if the clock may go above its nominal frequency for a while.
    pub turbo: Option<bool>,
    /// Times that the processor was slowed down because it was hot, during the comparison.
    pub throttled: Option<u64>,
    /// The kernel's source of time.
    pub clock: Option<String>,
    /// Processes that wanted to run on average in the minute before.
    pub load: Option<f64>,
    /// CPU time that went to other virtual machines during the comparison, as a part of all of it.
    pub stolen: Option<f64>,
    /// The longest accept queue that the kernel allows.
    pub backlog: Option<u64>,
    /// True if this program was built without optimisation.
    pub is_debug: bool,
    /// Versions: of this program, the commit, Go.
    pub versions: Vec<(String, String)>,
}

/// More than this part of the time stolen is worth a sentence.
const STOLEN: f64 = 0.01;

/// More than this many processes at work is a machine that does something else.
const BUSY: f64 = 0.5;

impl Seen {
    /// The facts, in the order in which they are shown.
    pub fn facts(&self) -> Vec<(String, String)> {
        let mut facts = Vec::new();
        let mut add = |name: &str, value: Option<String>| {
            facts.extend(value.map(|value| (name.to_owned(), value)));
        };
        add("CPU", self.cpu.clone());
        add("CPUs", Some(self.cpus.to_string()));
        let on = |cpus: &[usize]| (!cpus.is_empty()).then(|| format!("CPU {}", list(cpus)));
        add("server on", on(&self.server_cpus));
        add("client on", on(&self.client_cpus));
        add("memory", self.memory_kb.map(|kb| format!("{:.1} GiB", kb as f64 / 1_048_576.0)));
        add("kernel", self.kernel.clone());
        add("system", self.system.clone());
        add("virtual", Some(if self.is_virtual { "yes" } else { "no" }.into()));
        add("clock source", self.clock.clone());
        add("frequency governor", self.governor.clone());
        add("turbo", self.turbo.map(|on| if on { "on" } else { "off" }.into()));
        add("descriptors", self.descriptors.map(|count| count.to_string()));
        add("accept queue", self.backlog.map(|count| format!("at most {count}")));
        add("load before", self.load.map(|load| format!("{load:.2}")));
        let percent = |part: f64| format!("{:.2} % of the CPU time", part * 100.0);
        add("stolen", self.stolen.map(percent));
        facts.extend(self.versions.iter().cloned());
        facts
    }

    /// What this machine cannot show, in sentences.
    pub fn cautions(&self) -> Vec<String> {
        let mut cautions: Vec<String> = Vec::new();
        if self.is_debug {
            cautions.push(
                "This program was built without optimisation: it shows that the comparison works, \
                 and nothing about the models."
                    .into(),
            );
        }
        if self.server_cpus.is_empty() && self.cpus > 0 {
            cautions.push(
                "This system keeps no process to a CPU: server and client may meet on one.".into(),
            );
        }
        let shared = self.server_cpus.iter().any(|cpu| self.client_cpus.contains(cpu));
        if shared {
            cautions.push(format!(
                "Server and client share CPU {}: whatever one of them spends is taken from the \
                 other, so rates and latencies are of both together; CPU time per request still \
                 compares.",
                list(&self.server_cpus)
            ));
        }
        let siblings: Vec<usize> =
            self.client_cpus.iter().copied().filter(|cpu| self.siblings.contains(cpu)).collect();
        if !siblings.is_empty() && !shared {
            cautions.push(format!(
                "CPU {} of the client and the server's are threads of one core: each slows the \
                 other down.",
                list(&siblings)
            ));
        }
        if self.server_cpus.len() > 1 {
            cautions.push(format!(
                "The server has {} CPUs: models of one thread use one of them, and comparing rates \
                 compares that; CPU time per request does not depend on it.",
                self.server_cpus.len()
            ));
        }
        cautions.extend(self.limits());
        cautions.extend(self.clocks());
        cautions.extend(self.company());
        cautions
    }

    fn limits(&self) -> Option<String> {
        let descriptors = self.descriptors.filter(|&limit| limit < self.wanted)?;
        Some(format!(
            "A process may have {descriptors} descriptors: what many connections do, up to {}, \
             cannot be shown here.",
            self.wanted
        ))
    }

    /// What makes a second not a second.
    fn clocks(&self) -> Vec<String> {
        let mut cautions = Vec::new();
        if let Some(clock) = self.clock.as_deref().filter(|clock| {
            !["tsc", "arch_sys_counter", "kvm-clock", "hyperv_clocksource_tsc_page"].contains(clock)
        }) {
            cautions.push(format!(
                "The kernel's clock is {clock}, which is slow to read: whoever reads it often pays \
                 more than elsewhere."
            ));
        }
        if let Some(governor) = self.governor.as_deref().filter(|name| *name != "performance") {
            cautions.push(format!(
                "The clock frequency is left to the governor {governor}: models that rest between \
                 requests may find a slower processor than those that do not."
            ));
        }
        if self.turbo == Some(true) {
            cautions.push(
                "The processor may raise its clock for a while: short runs can be faster than long \
                 ones."
                    .into(),
            );
        }
        if let Some(times @ 1..) = self.throttled {
            cautions.push(format!(
                "The processor was too hot and was slowed down {times} times during the comparison."
            ));
        }
        cautions
    }

    /// Who else was at work.
    fn company(&self) -> Vec<String> {
        let mut cautions = Vec::new();
        if self.is_virtual {
            cautions.push(
                "This is a virtual machine: system calls, interrupts and wake-ups cost what its \
                 host makes of them, and may cost another thing elsewhere."
                    .into(),
            );
        }
        if let Some(stolen) = self.stolen.filter(|part| *part > STOLEN) {
            cautions.push(format!(
                "{:.1} % of the CPU time went to other virtual machines: differences smaller than \
                 the spread of the runs mean nothing.",
                stolen * 100.0
            ));
        }
        if let Some(load) = self.load.filter(|load| *load > BUSY) {
            cautions.push(format!(
                "The machine was busy before the comparison began (load {load:.2}): other programs \
                 may have taken time from some runs."
            ));
        }
        cautions
    }
}

/// Numbers as in `0,2`.
pub fn list(numbers: &[usize]) -> String {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine that can show everything.
    fn good() -> Seen {
        Seen {
            cpus: 4,
            server_cpus: vec![0],
            client_cpus: vec![1, 2],
            siblings: vec![3],
            descriptors: Some(100_000),
            wanted: 15_000,
            governor: Some("performance".into()),
            turbo: Some(false),
            throttled: Some(0),
            clock: Some("tsc".into()),
            load: Some(0.1),
            stolen: Some(0.001),
            ..Seen::default()
        }
    }

    #[test]
    fn a_good_machine_needs_no_caution() {
        assert_eq!(good().cautions(), [""; 0]);
        assert_eq!(Seen::default().cautions(), [""; 0], "what is not known is not claimed");
    }

    #[test]
    fn what_a_machine_cannot_show_is_said() {
        type Change = fn(&mut Seen);
        let cases: &[(Change, &str)] = &[
            (|seen| seen.client_cpus = vec![0], "share CPU 0"),
            (|seen| seen.siblings = vec![2], "threads of one core"),
            (|seen| seen.server_cpus.clear(), "keeps no process to a CPU"),
            (|seen| seen.server_cpus = vec![0, 3], "2 CPUs"),
            (|seen| seen.descriptors = Some(1024), "1024 descriptors"),
            (|seen| seen.clock = Some("hpet".into()), "hpet"),
            (|seen| seen.governor = Some("powersave".into()), "governor powersave"),
            (|seen| seen.turbo = Some(true), "raise its clock"),
            (|seen| seen.throttled = Some(3), "3 times"),
            (|seen| seen.is_debug = true, "without optimisation"),
            (|seen| seen.is_virtual = true, "virtual machine"),
            (|seen| seen.stolen = Some(0.05), "5.0 %"),
            (|seen| seen.load = Some(2.5), "load 2.50"),
        ];
        for (change, says) in cases {
            let mut seen = good();
            change(&mut seen);
            let cautions = seen.cautions();
            assert_eq!(cautions.len(), 1, "{says}: {cautions:?}");
            assert!(cautions[0].contains(says), "{says}: {cautions:?}");
        }
    }

    #[test]
    fn facts_leave_out_what_is_not_known() {
        let names: Vec<_> = good().facts().into_iter().map(|(name, _)| name).collect();
        assert!(names.contains(&"descriptors".into()) && !names.contains(&"memory".into()));
    }
}
