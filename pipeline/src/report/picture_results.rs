//! Made-up results that every picture finds something in.

use std::fs;
use std::path::Path;

use super::architectures::ArchitectureRow;
use super::differences::Differences;
use super::summary;
use crate::comparison::Comparison;
use crate::drawing::MethodRow;
use crate::identity::{PairName, Part, ResultKey};
use crate::measurements::{self, BarrierRow, MergedRow, ModelRow};
use crate::table::Tables;

/// Methods as rows name them: one, the same repaired, and two draws of another.
const METHODS: [&str; 4] = ["c2m3", "c2m3-repair", "git-re-basin#1", "git-re-basin#2"];

/// Rows of measurements that keep their types to themselves, by their files.
const FILES: [(&str, &str); 20] = [
    (
        "cycles.csv",
        "dataset,architecture,method,replicate,cycle,split,lambda,loss,accuracy,distance,stage
glyphs,mlp,c2m3,0,a-b-c,test,0,0.5,0.9,0,s
glyphs,mlp,c2m3,0,a-b-c,test,1,0.5,0.9,0,s
glyphs,mlp,git-re-basin,0,a-b-c,test,0,0.5,0.9,2.5,t
glyphs,mlp,git-re-basin,0,a-b-c,test,1,0.8,0.7,2.5,t
",
    ),
    (
        "epochs.csv",
        "dataset,architecture,method,replicate,fixed,permutee,epoch,split,barrier_mean,barrier_line,end_loss,end_accuracy,midpoint_loss,midpoint_accuracy,stage
glyphs,mlp,c2m3,0,a,b,1,test,0.5,0.5,0.6,0.8,1.1,0.6,s
glyphs,mlp,c2m3,0,a,b,4,test,0.2,0.2,0.4,0.9,0.6,0.85,s
glyphs,mlp,c2m3,0,a,b,16,test,0.01,0.005,0.3,0.95,0.29,0.95,s
glyphs,mlp,git-re-basin#1,0,a,b,1,test,0.9,0.9,0.6,0.8,1.5,0.5,t
glyphs,mlp,git-re-basin#1,0,a,b,4,test,0.6,0.6,0.4,0.9,1,0.7,t
glyphs,mlp,git-re-basin#1,0,a,b,16,test,0.3,0.3,0.3,0.95,0.6,0.8,t
",
    ),
    (
        "reported-over-time.csv",
        "dataset,architecture,method,models,epoch,round,metric,split,replicates,mean,sd,reported,reported_sd,verdict,source,stage
glyphs,mlp,c2m3,3,1,,barrier_mean,test,1,0.5,,0.6,,comparable,a paper,s
glyphs,mlp,c2m3,3,4,,barrier_mean,test,1,0.2,,0.15,,comparable,a paper,s
glyphs,mlp,c2m3,3,,1,accuracy,test,1,0.4,,0.45,,comparable,a paper,s
glyphs,mlp,c2m3,3,,2,accuracy,test,1,0.7,,0.6,,comparable,a paper,s
glyphs,mlp,c2m3,3,,5,accuracy,test,1,0.85,,0.9,,comparable,a paper,s
",
    ),
    (
        "rounds.csv",
        "dataset,architecture,method,replicate,models,round,split,loss,accuracy,stage
glyphs,mlp,c2m3,0,3,1,test,1.5,0.4,s
glyphs,mlp,c2m3,0,3,2,test,0.9,0.7,s
glyphs,mlp,c2m3,0,3,5,test,0.5,0.85,s
glyphs,mlp,git-re-basin#1,0,3,1,test,2.1,0.2,t
glyphs,mlp,git-re-basin#1,0,3,2,test,1.2,0.6,t
glyphs,mlp,git-re-basin#1,0,3,5,test,0.6,0.8,t
",
    ),
    (
        "reliability.csv",
        "dataset,architecture,method,replicate,models,model,split,kind,low,high,count,probability,frequency,stage
glyphs,mlp,endpoints,0,1,a,test,top-label,0,0.5,20,0.4,0.45,s
glyphs,mlp,endpoints,0,1,a,test,top-label,0.5,1,80,0.95,0.9,s
glyphs,mlp,endpoints,0,1,a,test,class-wise,0,0.5,300,0.05,0.06,s
glyphs,mlp,endpoints,0,1,a,test,class-wise,0.5,1,100,0.9,0.85,s
glyphs,mlp,c2m3,0,3,,test,top-label,0,0.5,9,0.3,0.4,t
glyphs,mlp,c2m3,0,3,,test,top-label,0.5,1,91,0.8,0.95,t
glyphs,mlp,c2m3,0,3,,test,class-wise,0,0.5,310,0.1,0.04,t
glyphs,mlp,c2m3,0,3,,test,class-wise,0.5,1,90,0.7,0.92,t
",
    ),
    (
        "learning-curves.csv",
        "dataset,architecture,replicate,model,steps,epochs,loss,rate,stage
glyphs,mlp,0,a,10,0.5,2.3,0.1,s
glyphs,mlp,0,a,20,1,0.9,0.05,s
glyphs,mlp,0,b,10,0.5,2.4,0.1,t
glyphs,mlp,0,b,20,1,0.05,0.05,t
",
    ),
    (
        "subsets.csv",
        "dataset,architecture,method,replicate,models,subset,matched,split,loss,accuracy,stage
glyphs,mlp,c2m3,0,2,a+b,apart,train,0.6,0.8,s
glyphs,mlp,c2m3,0,2,a+b,apart,test,0.7,0.75,s
glyphs,mlp,c2m3,0,2,a+b,jointly,test,0.8,0.7,t
glyphs,mlp,c2m3,0,3,a+b+c,apart,test,0.9,0.65,u
",
    ),
    (
        "similarity.csv",
        "dataset,architecture,method,replicate,first,second,parameter,cosine,distance,stage
glyphs,mlp,endpoints,0,a,b,fc1.weight,0.1,3,s
glyphs,mlp,endpoints,0,a,b,fc1.bias,-0.2,0.5,s
glyphs,mlp,endpoints,0,a,b,fc2.weight,0.3,2,s
glyphs,mlp,endpoints,0,a,b,matrices,0.15,3.6,s
glyphs,mlp,endpoints,0,a,b,all,0.1,3.7,s
glyphs,mlp,c2m3,0,a,b,fc1.weight,0.6,2,t
glyphs,mlp,c2m3,0,a,b,fc1.bias,,0,t
glyphs,mlp,c2m3,0,a,b,fc2.weight,0.7,1,t
glyphs,mlp,c2m3,0,a,b,matrices,0.65,2.2,t
glyphs,mlp,c2m3,0,a,b,all,0.64,2.3,t
",
    ),
    (
        "features.csv",
        "dataset,architecture,method,replicate,first,second,cka,distance,stage
glyphs,mlp,endpoints,0,a,b,0.8,1.2,s
glyphs,mlp,c2m3,0,a,b,0.8,0.4,t
",
    ),
    (
        "norms.csv",
        "dataset,architecture,method,replicate,form,model,parameter,norm,stage
glyphs,mlp,c2m3,0,end-point,a,fc1.weight,2,s
glyphs,mlp,c2m3,0,end-point,a,fc1.bias,0,s
glyphs,mlp,c2m3,0,end-point,b,fc1.weight,4,s
glyphs,mlp,c2m3,0,end-point,b,fc1.bias,0,s
glyphs,mlp,c2m3,0,merged,,fc1.weight,2.4,s
glyphs,mlp,c2m3,0,merged,,fc1.bias,0.1,s
",
    ),
    (
        "variances.csv",
        "dataset,architecture,method,replicate,layer,variance_ratio,mean_ratio,correlation,stage
glyphs,mlp,c2m3,0,conv1,0.8,0.9,0.9,s
glyphs,mlp,c2m3,0,conv2,0.2,,0.5,s
glyphs,mlp,c2m3-repair,0,conv1,1,1,0.9,t
glyphs,mlp,c2m3-repair,0,conv2,1,,0.6,t
",
    ),
    (
        "class-accuracy.csv",
        "dataset,architecture,method,replicate,models,model,split,class,images,accuracy,stage
glyphs,mlp,endpoints,0,1,a,test,0,5,0.8,s
glyphs,mlp,endpoints,0,1,a,test,1,5,1,s
glyphs,mlp,endpoints,0,1,a,test,2,0,,s
glyphs,mlp,c2m3,0,2,,test,0,5,0.2,t
glyphs,mlp,c2m3,0,3,,test,0,5,0.4,t
glyphs,mlp,c2m3,0,3,,test,1,5,0.6,t
glyphs,mlp,c2m3,0,3,,test,2,0,,t
",
    ),
    (
        // The corners and the middle of the hexagon.
        "plane.csv",
        "dataset,architecture,method,replicate,split,x,y,vertex,frame,loss,accuracy,stage
glyphs,mlp,c2m3,0,test,0.45,0,a,own,0.5,0.9,s
glyphs,mlp,c2m3,0,test,0.225,0.389711,a,common,0.5,0.9,s
glyphs,mlp,c2m3,0,test,-0.225,0.389711,b,own,0.6,0.9,s
glyphs,mlp,c2m3,0,test,-0.45,0,b,common,0.6,0.9,s
glyphs,mlp,c2m3,0,test,-0.225,-0.389711,c,own,0.7,0.9,s
glyphs,mlp,c2m3,0,test,0.225,-0.389711,c,common,0.7,0.9,s
glyphs,mlp,c2m3,0,test,0,0,,,2.5,0.3,s
",
    ),
    (
        "paths.csv",
        "dataset,architecture,method,replicate,models,split,t,loss,accuracy,step,stage
glyphs,mlp,c2m3,0,a+b,test,0,0.5,0.9,0,s
glyphs,mlp,c2m3,0,a+b,test,0.5,0.3,0.95,1,s
glyphs,mlp,c2m3,0,a+b,test,1,0.6,0.8,1,s
glyphs,mlp,c2m3,1,a+b,test,0,0.55,0.88,0,s
glyphs,mlp,c2m3,1,a+b,test,0.5,0.35,0.94,1,s
glyphs,mlp,c2m3,1,a+b,test,1,0.65,0.78,1,s
",
    ),
    (
        "curve-plane.csv",
        "dataset,architecture,method,replicate,split,mark,x,y,loss,accuracy,stage
glyphs,mlp,c2m3,0,test,,-1,-1,2,0.2,s
glyphs,mlp,c2m3,0,test,,2,-1,1.5,0.3,s
glyphs,mlp,c2m3,0,test,,5,-1,2,0.2,s
glyphs,mlp,c2m3,0,test,,-1,1,0.5,0.8,s
glyphs,mlp,c2m3,0,test,,2,1,0.3,0.95,s
glyphs,mlp,c2m3,0,test,,5,1,0.5,0.85,s
glyphs,mlp,c2m3,0,test,,-1,3,1.5,0.4,s
glyphs,mlp,c2m3,0,test,,2,3,0.6,0.7,s
glyphs,mlp,c2m3,0,test,,5,3,1.5,0.4,s
glyphs,mlp,c2m3,0,test,first,0,0,0.8,0.7,s
glyphs,mlp,c2m3,0,test,bend,1,2,0.6,0.75,s
glyphs,mlp,c2m3,0,test,last,4,0,0.8,0.7,s
glyphs,mlp,c2m3,0,test,middle,1.5,1,0.3,0.9,s
",
    ),
    (
        "tasks.csv",
        "dataset,architecture,method,replicate,learned,task,place,images,accuracy,stage
glyphs,mlp,c2m3,0,1,t1,1,10,0.9,s
glyphs,mlp,c2m3,0,1,t2,2,10,0,s
glyphs,mlp,c2m3,0,2,t1,1,10,0.6,s
glyphs,mlp,c2m3,0,2,t2,2,10,0.8,s
glyphs,mlp,c2m3-repair,0,2,t1,1,10,0.7,s
glyphs,mlp,c2m3-repair,0,2,t2,2,10,0.9,s
",
    ),
    (
        "iterates.csv",
        "dataset,architecture,method,replicate,models,model,group,units,iteration,step,row,column,value,stage
glyphs,mlp,c2m3,0,3,a,fc1,2,0,0.5,0,0,0.75,s
glyphs,mlp,c2m3,0,3,a,fc1,2,0,0.5,0,1,0.25,s
glyphs,mlp,c2m3,0,3,a,fc1,2,0,0.5,1,0,0.25,s
glyphs,mlp,c2m3,0,3,a,fc1,2,0,0.5,1,1,0.75,s
glyphs,mlp,c2m3,0,3,a,fc1,2,1,1,0,0,1,s
glyphs,mlp,c2m3,0,3,a,fc1,2,1,1,1,1,1,s
",
    ),
    (
        "margins.csv",
        "dataset,architecture,method,replicate,models,model,group,unit,slot,margin,stage
glyphs,mlp,c2m3,0,3,a,fc1,0,0,0.5,s
glyphs,mlp,c2m3,0,3,a,fc1,1,1,1.5,s
glyphs,mlp,c2m3,0,3,a,fc2,0,0,-0.25,s
glyphs,mlp,c2m3,0,3,a,fc2,1,1,,s
glyphs,mlp,git-re-basin#1,0,3,a,fc1,0,0,0.25,t
glyphs,mlp,git-re-basin#1,0,3,a,fc1,1,1,0.75,t
",
    ),
    (
        "traces.csv",
        "dataset,architecture,method,replicate,models,iteration,objective,step,names,stage
glyphs,mlp,c2m3,0,3,0,10,0.5,,s
glyphs,mlp,c2m3,0,3,1,14,1,,s
glyphs,mlp,c2m3,0,3,2,15,0,,s
glyphs,mlp,c2m3-repair,0,3,0,10,0.5,,s
glyphs,mlp,c2m3-repair,0,3,1,14,1,,s
glyphs,mlp,c2m3-repair,0,3,2,15,0,,s
glyphs,mlp,git-re-basin#1,0,3,0,8,,,t
glyphs,mlp,git-re-basin#1,0,3,1,12,,,t
",
    ),
    (
        "timings.csv",
        "stage,kind,seconds,threads,device,fingerprint,work
align/glyphs-mlp/c2m3/replicate-0/2,align,9,1,cpu,1,1.0
align/glyphs-mlp/c2m3/replicate-0/3,align,9,1,cpu,2,2.0
align/glyphs-mlp/c2m3/replicate-0/4,align,9,1,cpu,3,3.5
align/glyphs-mlp/c2m3-repair/replicate-0/4,align,9,1,cpu,3,3.5
align/glyphs-mlp/git-re-basin/replicate-0/4,align,9,1,cpu,4,0.5
align/glyphs-wide/c2m3/replicate-0/4,align,9,1,cpu,5,6.0
",
    ),
];

fn pair(architecture: &str) -> PairName {
    PairName::new("glyphs", architecture)
}

fn key(architecture: &str, method: &str) -> ResultKey {
    ResultKey { pair: pair(architecture), method: method.parse().unwrap(), replicate: 0 }
}

/// Two architectures that differ in width: three models of the narrow one, merged by every method, and two of the wide one. Losses and
/// accuracies are what these make of usual ones.
fn scores(loss: fn(f64) -> f64, accuracy: fn(f64) -> f64) -> Tables {
    let mut tables = Tables::default();
    let stage = || "s".to_owned();
    for (part, share) in [(Part::Train, 1.0), (Part::Test, 0.9)] {
        for (architecture, most) in [("mlp", 3), ("wide", 2)] {
            let model = |model: usize| ModelRow {
                pair: pair(architecture),
                replicate: 0,
                model: ["a", "b", "c"][model].to_owned(),
                split: part,
                loss: loss(0.3 / share),
                accuracy: accuracy(share * (0.95 - 0.01 * model as f64)),
                stage: stage(),
            };
            tables.extend((0..most).map(model));
            for (place, method) in METHODS.iter().enumerate() {
                let merged = |models: usize| MergedRow {
                    key: key(architecture, method),
                    models,
                    split: part,
                    loss: loss(0.2 * (1 + models + place) as f64),
                    accuracy: accuracy(share * (0.9 - 0.1 * (models + place) as f64)),
                    stage: stage(),
                };
                tables.extend((2..=most).map(merged));
            }
        }
        for (place, method) in METHODS.iter().enumerate() {
            let point = |lambda: f64| BarrierRow {
                key: key("mlp", method),
                fixed: "a".to_owned(),
                permutee: "b".to_owned(),
                split: part,
                lambda,
                loss: loss(0.3 + (1 + place) as f64 * lambda * (1.0 - lambda)),
                accuracy: accuracy(share * (0.9 - 0.4 * (1 + place) as f64 * lambda * (1.0 - lambda))),
                stage: stage(),
            };
            tables.extend([0.0, 0.5, 1.0].map(point));
        }
    }
    tables
}

/// Writes a set of result files that every picture finds something in.
pub fn write_results(folder: &Path) {
    write_scaled(folder, |loss| loss, |accuracy| accuracy);
}

/// The same with other losses and accuracies.
pub fn write_scaled(folder: &Path, loss: fn(f64) -> f64, accuracy: fn(f64) -> f64) {
    let mut tables = scores(loss, accuracy);
    tables.sort();
    for measurement in measurements::ALL {
        measurement.derive(&mut tables).unwrap();
    }
    let mut cells = summary::summarise(&tables, &Comparison::default()).unwrap();
    for cell in &mut cells {
        cell.reported = (cell.method.name() == "c2m3").then_some(0.6);
    }
    summary::tabulate(&cells, &Differences::default(), &[], &mut tables);
    let architecture = |name: &str, width: usize| ArchitectureRow {
        pair: pair(name),
        stands_for: String::new(),
        family: "mlp".to_owned(),
        shape: "1:1".to_owned(),
        width: Some(width),
        parameters: 1,
        training: "alike".to_owned(),
    };
    tables.extend([architecture("mlp", 8), architecture("wide", 16)]);
    let method = |names: [&str; 5]| {
        let [method, matching, merging, repair, plain] = names.map(str::to_owned);
        MethodRow { method, matching, merging, repair, plain }
    };
    tables.extend([
        method(["c2m3", "c2m3", "mean", "", ""]),
        method(["c2m3-repair", "c2m3", "mean", "repair", "c2m3"]),
        method(["git-re-basin", "git-re-basin", "mean", "", ""]),
    ]);
    tables.write(folder).unwrap();
    for (name, text) in FILES {
        fs::write(folder.join(name), text).unwrap();
    }
}
