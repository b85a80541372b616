//! The macros that make a guest of a type. They only name what the rest of the crate does.

/// Exports a [`Factory`](crate::Factory), or a [`Protocol`](crate::Protocol) that is `Default`, as the guest. To be
/// used once, in the crate that becomes the component (`crate-type = ["cdylib", "rlib"]`). Natively it only checks
/// that the type fits.
#[macro_export]
macro_rules! export {
    ($factory:ty) => {
        $crate::__export!(
            $crate::Factory,
            $factory,
            $crate::server::Server,
            Serve,
            Factory,
            {
                $crate::host::connections::export_connections!(Exported);
            }
        );
    };
}

/// Exports a [`StatefulFactory`](crate::StatefulFactory) as the guest: [`export!`](macro@crate::export) for one that hands its state to
/// the instance that takes its place.
#[macro_export]
macro_rules! export_stateful {
    ($factory:ty) => {
        $crate::__export!(
            $crate::StatefulFactory,
            $factory,
            $crate::server::Server,
            Serve,
            Factory,
            {
                $crate::host::connections::export_connections!(Exported);
                $crate::host::states::export_states!(Exported);
            }
        );
    };
}

/// Exports a [`Program`](crate::Program) as the guest. To be used once, in the crate that becomes the component
/// (`crate-type = ["cdylib", "rlib"]`). Natively it only checks that the type fits.
#[macro_export]
macro_rules! export_program {
    ($program:ty) => {
        $crate::__export!(
            $crate::Program,
            $program,
            $crate::program::Runner,
            Run,
            Program,
            {
                $crate::host::programs::export_programs!(Exported);
            }
        );
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($fits:path, $exported:ty, $instance:path, $place:ident, $kind:ident, { $($exports:tt)* }) => {
        const _: () = {
            const fn fits<T: $fits>() {}
            fits::<$exported>();
        };

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $instance as Instance;

            static INSTANCE: $crate::single::Single<Instance<$exported>> =
                $crate::single::Single::new(Instance::new());

            struct Exported;

            impl $crate::host::$place for Exported {
                type $kind = $exported;

                fn with<R>(call: impl FnOnce(&Instance<$exported>) -> R) -> R {
                    INSTANCE.with(|instance| call(instance))
                }
            }

            impl $crate::host::Begin for Exported {
                fn start(
                    config: $crate::host::ConfigPairs,
                ) -> $crate::host::Started {
                    INSTANCE.with(|instance| instance.start(config))
                }

                fn stop() {
                    INSTANCE.with(|instance| instance.stop());
                }
            }

            $crate::host::outcomes::export_outcomes!(Exported);
            $($exports)*
        };
    };
}
